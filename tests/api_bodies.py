"""Parts of request bodies with every member that a client may give and is given back."""

from typing import Any

#: Every member of ClusterCreateOptions and of what lies in it.
CLUSTER_OPTIONS: dict[str, Any] = {
    "serviceLbSubnetIds": ["subnet"],
    "ipFamilies": ["IPv4"],
    "kubernetesNetworkConfig": {"podsCidr": "10.244.0.0/16", "servicesCidr": "10.96.0.0/16"},
    "addOns": {"isKubernetesDashboardEnabled": False, "isTillerEnabled": False},
    "admissionControllerOptions": {"isPodSecurityPolicyEnabled": True},
    "persistentVolumeConfig": {"freeformTags": {"a": "b"}, "definedTags": {"n": {"k": "v"}}},
    "serviceLbConfig": {"freeformTags": {"a": "b"}, "definedTags": {"n": {"k": "v"}}, "backendNsgIds": ["nsg"]},
    "openIdConnectTokenAuthenticationConfig": {
        "issuerUrl": "https://id.example",
        "clientId": "c",
        "usernameClaim": "sub",
        "usernamePrefix": "p:",
        "groupsClaim": "groups",
        "groupsPrefix": "g:",
        "requiredClaims": [{"key": "aud", "value": "c"}],
        "caCertificate": "cert",
        "signingAlgorithms": ["RS256"],
        "isOpenIdConnectAuthEnabled": True,
        "configurationFile": "file",
    },
    "openIdConnectDiscovery": {"isOpenIdConnectDiscoveryEnabled": True},
}
#: Members of an application that mean nothing here.
OF_APPLICATION: dict[str, Any] = {
    "networkSecurityGroupIds": ["nsg"],
    "syslogUrl": "tcp://logs:514",
    "traceConfig": {"isEnabled": True, "domainId": "d"},
    "logging": {"lineFormat": "JSON"},
    "securityAttributes": {"a": {"b": "c"}},
}
#: Members of a function that mean nothing here.
OF_FUNCTION: dict[str, Any] = {
    "provisionedConcurrencyConfig": {"strategy": "CONSTANT", "count": 40},
    "detachedModeTimeoutInSeconds": 300,
    "failureDestination": {"kind": "QUEUE", "queueId": "q", "channelId": "c"},
    "successDestination": {"kind": "STREAM", "streamId": "s"},
    "traceConfig": {"isEnabled": True},
}
