"""A compartment that moves takes its repositories under other scanners, or from under all of them."""

from functools import partial

import pytest
from scanning_hub import CLAIMS, Hub

from assay.clock import SetClock
from assay.events import CompartmentMoved
from assay.iam.identity import compartments
from assay.inventory import LayerReaders
from assay.inventory.catalog import keep_part
from assay.registry import repositories
from assay.registry.repositories import RepositoryDetails
from assay.scanning import recipes, scanners, waiting
from assay.scanning.model import RecipeDetails, Registry, TargetDetails
from assay.storage import Store


@pytest.fixture
def hub(store: Store, clock: SetClock, tmp_path):
    readers = LayerReaders(partial(keep_part, store), processes=1)
    made = Hub.on(store, tmp_path / "blobs", readers, clock.advance)
    made.allow()
    made.world.publish(CLAIMS)
    yield made
    readers.close()


def test_a_compartment_that_moves_comes_under_the_scanner_of_its_new_parent_and_leaves_it_again(hub: Hub) -> None:
    store, actor = hub.store, hub.actor
    watched, loose, moving = (compartments.create(store, actor, actor.tenancy, name).ocid for name in ("w", "l", "m"))
    recipe = recipes.create(store, actor, RecipeDetails(watched, image_count=4))
    target = TargetDetails(watched, recipe=recipe.ocid, registry=Registry(compartment=watched))
    scanners.create(store, actor, target)
    repository = repositories.create(store, actor, RepositoryDetails(compartment=moving, name="team/app")).ocid
    image = hub.push({"a": 1})
    hub.deliver()

    def move(parent: str) -> bool:
        compartments.move(store, actor, moving, parent)
        waiting.compartment_moved(store, CompartmentMoved(tenancy=actor.tenancy, compartment=moving))
        hub.scan_waiting()
        with store.database.read() as connection:
            found = repositories.of_ocid(connection, actor.tenancy, repository)
            assert found is not None
            return bool(scanners.watched(connection, actor.tenancy, [found]))

    assert hub.scans(image) == []
    assert move(watched)
    assert len(hub.scans(image)) == 1
    assert not move(loose)
    status = hub.status(image)
    assert status is None or status.scan is not None
    # Its results stay as of then: a later revision changes them no more.
    hub.world.publish({"PYSEC-2": None})
    assert len(hub.scans(image)) == 1
