"""Property: whatever text arrives, a container belongs to exactly one tenant, or is refused."""

import ipaddress
from pathlib import Path, PurePosixPath

import docker
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from faelleslab.errors import ConfigurationError
from faelleslab_hub import containers
from faelleslab_hub.settings import Settings
from faelleslab_hub.tenants import Tenant

HOME = Path("/srv/faelleslab-test-that-is-not-there")
SETTINGS = Settings(
    mode="docker",
    home=HOME,
    bind="127.0.0.1",
    port=8000,
    config=HOME,
    database_url="sqlite://",
    tls_certificate=None,
    tls_key=None,
    public_url="http://127.0.0.1:8000",
)
IMAGE = "sha256:" + "0" * 64

codes = st.sampled_from(["0751", "0461", "kursus"]) | st.text(max_size=20)
# Names that look harmless, and names made of what climbs, splits and deceives.
names = (
    st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True)
    | st.text(alphabet="./\\~$:,=\0\n 0a-", max_size=12)
    | st.text(max_size=80)
)
builders = st.sampled_from(["server", "run", "inspection"])


def tenant(code: str, subnet: str = "10.97.1.0/24") -> Tenant:
    return Tenant(code, "Prøve", ipaddress.IPv4Network(subnet), "faelleslab/analytics", 2**31, 2.0, 512, 60)


def build(kind: str, code: str, name: str) -> containers.ContainerSpec:
    if kind == "server":
        return containers.for_server(tenant(code), name, SETTINGS, image=IMAGE)
    make = containers.for_run if kind == "run" else containers.for_inspection
    return make(tenant(code), name, SETTINGS, image=IMAGE, command=("true",))


def built_or_refused(kind: str, code: str, name: str) -> containers.ContainerSpec | None:
    try:
        return build(kind, code, name)
    except ConfigurationError as error:
        if error.code not in ("FL-K120", "FL-K121"):
            raise
        return None


@given(builders, builders, codes, codes, names, names)
@example("server", "server", "0751", "0461", "../0461/a", "a")
@example("server", "server", "0751", "0461", "a", "a")
@example("run", "server", "0751", "0461", "x", "../../runs/0751/x")
@example("server", "run", "..", "0461", "0461", "x")
@example("run", "run", "a", "a-b", "b-c", "c")
@example("server", "server", "٠٧٥١", "0751", "a", "a")
def test_two_tenants_share_nothing(kind: str, other_kind: str, code: str, other: str, name: str, other_name: str):
    assume(code != other)
    one, two = built_or_refused(kind, code, name), built_or_refused(other_kind, other, other_name)
    if one is None or two is None:
        return
    for left in one.mounts:
        for right in two.mounts:
            a, b = Path(left.source), Path(right.source)
            assert a != b
            assert a not in b.parents
            assert b not in a.parents
    assert one.network != two.network or one.network is None
    assert one.labels["dk.faelleslab.tenant"] != two.labels["dk.faelleslab.tenant"]
    assert one.name != two.name


@given(builders, codes, names)
@example("server", "0751", "..")
@example("server", "0751", ".")
@example("server", "0751", "")
@example("server", "0751", "a\n")
@example("run", "0751", "a/../../0461/b")
@example("server", "0751", "A")
def test_every_mount_stays_in_the_tenants_folder(kind: str, code: str, name: str):
    spec = built_or_refused(kind, code, name)
    if spec is None:
        return
    allowed = {HOME / "homes" / code, HOME / "runs" / code}
    assert spec.mounts
    for mount in spec.mounts:
        assert ".." not in PurePosixPath(mount.source).parts
        assert allowed.intersection(Path(mount.source).parents)
        assert Path(mount.source) not in allowed


@pytest.mark.parametrize("kind", ["server", "run", "inspection"])
def test_the_walls_are_in_what_docker_is_told(kind: str):
    create, host = build(kind, "0751", "k3f9").create_arguments()
    told = docker.APIClient(version="1.41").create_host_config(**host)
    assert told["ReadonlyRootfs"] is True
    assert told["CapDrop"] == ["ALL"]
    assert "CapAdd" not in told
    assert told["SecurityOpt"] == ["no-new-privileges"]
    assert not told.get("Privileged")
    assert told["Memory"] == told["MemorySwap"] > 0
    assert told["CpuQuota"] == 2 * told["CpuPeriod"] or kind == "inspection"
    assert told["CpuQuota"] > 0
    assert told["PidsLimit"] > 0
    assert told["Dns"] == ["192.0.2.1"]
    assert told["Init"] is True
    assert told["LogConfig"]["Config"]["max-size"] == "5m"
    assert "/var/run/docker.sock" not in str(told)
    assert create["image"] == IMAGE
    assert create["user"].split(":")[0] != "0"
    assert told["NetworkMode"] == ("none" if kind == "inspection" else "fl-0751")


def test_two_installations_have_different_names_and_labels():
    other = Settings(**{**SETTINGS.__dict__, "home": Path("/srv/another")})
    one = containers.for_server(tenant("0751"), "k3f9", SETTINGS, image=IMAGE)
    two = containers.for_server(tenant("0751"), "k3f9", other, image=IMAGE)
    assert one.name != two.name
    assert one.labels["dk.faelleslab.installation"] != two.labels["dk.faelleslab.installation"]


def test_the_accounts_name_is_in_no_label_and_no_container_name():
    spec = containers.for_server(tenant("0751"), "jens-hansen", SETTINGS, image=IMAGE)
    assert "jens" not in spec.name + str(spec.labels)


def test_a_link_into_another_tenants_folder_is_refused(tmp_path: Path):
    settings = Settings(**{**SETTINGS.__dict__, "home": tmp_path})
    victim = tmp_path / "homes" / "0461" / "victim"
    victim.mkdir(parents=True)
    (tmp_path / "homes" / "0751").mkdir()
    (tmp_path / "homes" / "0751" / "k3f9").symlink_to(victim)
    with pytest.raises(ConfigurationError, match="FL-K121"):
        containers.for_server(tenant("0751"), "k3f9", settings, image=IMAGE)


@pytest.mark.parametrize("kind", ["server", "run", "inspection"])
def test_ordinary_names_are_not_refused(kind: str):
    # Without this the properties above could hold because everything is refused.
    for code in ("0751", "kursus"):
        for name in ("k3f9", "analytiker-0751", "x" * 63, "0"):
            assert build(kind, code, name).labels["dk.faelleslab.tenant"] == code
