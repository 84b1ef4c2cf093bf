"""The clouds whose KMS a smoke check speaks to, by the name that opsflows.toml gives them."""

from collections.abc import Mapping

from vendors.awskms import PROVIDER_AWS
from vendors.gcpkms_key import PROVIDER_GCP
from vendors.kms import KmsProvider

KEY_PROVIDERS: Mapping[str, KmsProvider] = {row.name: row for row in (PROVIDER_GCP, PROVIDER_AWS)}
