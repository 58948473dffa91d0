"""Members of models that mean nothing to Assay, which runs neither clusters nor functions: kept, and given back.

Their shapes are checked when they come, for clients fail on a reply that holds others; what isn't named here is left
out. Sources: the models of Container Engine and Functions (oci-api 2.4, 2.5).
"""

from typing import Any, Literal, Required, TypedDict

FreeformTags = dict[str, str]
DefinedTags = dict[str, dict[str, Any]]

CniType = Literal["FLANNEL_OVERLAY", "OCI_VCN_IP_NATIVE"]


class PodNetwork(TypedDict):
    """A ClusterPodNetworkOptionDetails; clients choose its class by `cniType`."""

    cniType: CniType


class EndpointConfig(TypedDict, total=False):
    """A ClusterEndpointConfig."""

    subnetId: str
    nsgIds: list[str]
    isPublicIpEnabled: bool
    securityAttributes: DefinedTags


class KubernetesNetworkConfig(TypedDict, total=False):
    """Of ClusterOptions."""

    podsCidr: str
    servicesCidr: str


class AddOns(TypedDict, total=False):
    """Of ClusterOptions."""

    isKubernetesDashboardEnabled: bool
    isTillerEnabled: bool


class AdmissionControllers(TypedDict, total=False):
    """Of ClusterOptions."""

    isPodSecurityPolicyEnabled: bool


class VolumeConfig(TypedDict, total=False):
    """Of ClusterOptions."""

    freeformTags: FreeformTags
    definedTags: DefinedTags


class LoadBalancerConfig(VolumeConfig, total=False):
    """Of ClusterOptions."""

    backendNsgIds: list[str]


class Claim(TypedDict, total=False):
    """Of OidcAuthentication."""

    key: str
    value: str


class OidcAuthentication(TypedDict, total=False):
    """Of ClusterOptions."""

    isOpenIdConnectAuthEnabled: Required[bool]
    issuerUrl: str
    clientId: str
    usernameClaim: str
    usernamePrefix: str
    groupsClaim: str
    groupsPrefix: str
    requiredClaims: list[Claim]
    caCertificate: str
    signingAlgorithms: list[str]
    configurationFile: str


class OidcDiscovery(TypedDict, total=False):
    """Of ClusterOptions."""

    isOpenIdConnectDiscoveryEnabled: bool


class ClusterOptions(TypedDict, total=False):
    """A ClusterCreateOptions, or the part of it that an update may hold."""

    serviceLbSubnetIds: list[str]
    ipFamilies: list[str]
    kubernetesNetworkConfig: KubernetesNetworkConfig
    addOns: AddOns
    admissionControllerOptions: AdmissionControllers
    persistentVolumeConfig: VolumeConfig
    serviceLbConfig: LoadBalancerConfig
    openIdConnectTokenAuthenticationConfig: OidcAuthentication
    openIdConnectDiscovery: OidcDiscovery


class PolicyKey(TypedDict):
    """A KeyDetails."""

    kmsKeyId: str


class ImagePolicyConfig(TypedDict, total=False):
    """A CreateImagePolicyConfigDetails of clusters: it means something here, as the two that follow."""

    isPolicyEnabled: bool
    keyDetails: list[PolicyKey] | None


class ApplicationImagePolicy(TypedDict, total=False):
    """An ImagePolicyConfig of applications, which must say whether it is in force."""

    isPolicyEnabled: Required[bool]
    keyDetails: list[PolicyKey] | None


class FunctionSource(TypedDict, total=False):
    """A FunctionSourceDetails; clients choose its class by `sourceType`."""

    sourceType: Required[Literal["CONTAINER_IMAGE", "ARCHIVE", "PRE_BUILT_FUNCTIONS"]]
    image: str
    imageDigest: str | None


class Trace(TypedDict, total=False):
    """An ApplicationTraceConfig, or a FunctionTraceConfig, which has no domain."""

    isEnabled: bool
    domainId: str


class Logging(TypedDict, total=False):
    """An ApplicationLoggingConfig."""

    lineFormat: Literal["JSON", "PLAIN_TEXT"]


class ProvisionedConcurrency(TypedDict, total=False):
    """A FunctionProvisionedConcurrencyConfig; clients choose its class by `strategy`."""

    strategy: Required[Literal["NONE", "CONSTANT"]]
    count: int


class Destination(TypedDict, total=False):
    """Where the outcome of a detached invocation goes; clients choose its class by `kind`."""

    kind: Required[Literal["NONE", "NOTIFICATION", "QUEUE", "STREAM"]]
    topicId: str
    queueId: str
    channelId: str
    streamId: str


#: Of an application.
OF_APPLICATIONS: dict[str, Any] = {
    "networkSecurityGroupIds": list[str],
    "syslogUrl": str,
    "traceConfig": Trace,
    "logging": Logging,
    "securityAttributes": DefinedTags,
}
#: Of a function.
OF_FUNCTIONS: dict[str, Any] = {
    "provisionedConcurrencyConfig": ProvisionedConcurrency,
    "detachedModeTimeoutInSeconds": int,
    "failureDestination": Destination,
    "successDestination": Destination,
    "traceConfig": Trace,
}
