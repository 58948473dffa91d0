"""What the statements of both databases share."""

from sqlalchemy import Column, MetaData, Table, Text

from assay.storage import insert


def test_an_insert_says_how_many_rows_it_wrote_on_both_databases(store):
    metadata = MetaData()
    table = Table("counted", metadata, Column("name", Text, primary_key=True))
    metadata.create_all(store.database.engine)
    with store.database.write() as connection:
        written = [
            connection.execute(insert(connection, table).values(name="a").on_conflict_do_nothing()).rowcount
            for _ in range(2)
        ]
    assert written == [1, 0]
