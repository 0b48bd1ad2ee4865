"""The images of users' servers and runs: built here from this checkout, found by digest, checked from the inside.

``recipes`` says what goes into an image, ``debian`` brings the foundation, ``wheels`` the Python packages, ``build``
puts them together, ``verify`` tries the result. `resolve` is what the spawner and the placer need.
"""

from typing import Any

from docker.errors import ImageNotFound

from faelleslab.errors import ConfigurationError
from faelleslab_hub.tenants import Tenant

LABEL_CONSTRAINTS = "dk.faelleslab.constraints"
LABEL_INPUTS = "dk.faelleslab.inputs"


def resolve(client: Any, tenant: Tenant) -> str:
    """Give the id (sha256 digest) of the tenant's image; containers are started from it, never from a tag.

    Raises
    ------
    ConfigurationError
        FL-K101 when the image is not on this machine, FL-K102 when it was not built by this project.
    """
    try:
        found = client.inspect_image(tenant.image)
    except ImageNotFound:
        raise ConfigurationError(
            "FL-K101",
            f"Imaget {tenant.image} til {tenant.display_name} findes ikke på denne maskine.",
            remedy="kør 'make images'.",
        ) from None
    if LABEL_CONSTRAINTS not in (found["Config"].get("Labels") or {}):
        raise ConfigurationError(
            "FL-K102",
            f"Imaget {tenant.image} til {tenant.display_name} er ikke bygget af Fælleslab.",
            rule="servere og kørsler startes kun fra vores egne images, som kan efterprøves.",
            remedy="kør 'make images', eller ret 'image' i kommunens fil.",
        )
    return str(found["Id"])
