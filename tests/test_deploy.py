"""The files of deploy/ parse, name real settings, and agree with one another and with the code."""

import re
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from typing_extensions import override

from app.main import create_app
from app.serve import AFTER_GRACE_SECONDS
from app.settings import PREFIX, Settings, load_settings
from app.vault import generate_key

DEPLOY = Path(__file__).parent.parent / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.suffix in {".yaml", ".conf"})
AFTER_STOP_S = 20
"""The most that a stop takes after the grace, as docs/operations.md says."""
CONTENT = {
    "master.keys": generate_key(),
    "tokens": "voyage:a-token-that-is-long-enough-for-this-0001",
}


class Strict(yaml.SafeLoader):
    """YAML takes the last of two equal keys without a word."""

    @override
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [str(key.value) for key, _ in node.value if not key.tag.endswith(":merge")]
        assert len(keys) == len(set(keys)), f"{node.start_mark}: a key stands twice"
        return super().construct_mapping(node, deep)


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.load_all(path.read_text(encoding="utf-8"), Strict))


def compose() -> dict[str, Any]:
    (whole,) = documents(DEPLOY / "compose.yaml")
    return whole


def manifests() -> list[dict[str, Any]]:
    return [document for path in sorted(KUBERNETES.glob("*.yaml")) for document in documents(path)]


def manifest(kind: str, name: str) -> dict[str, Any]:
    (found,) = [each for each in manifests() if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for each in manifests():
        if "template" in each.get("spec", {}):
            yield each["metadata"]["name"], each["spec"]["template"]["spec"]


def gateway_pod() -> dict[str, Any]:
    spec: dict[str, Any] = manifest("Deployment", "gateway")["spec"]["template"]["spec"]
    return spec


def in_reach(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Give the environment with its secret files and its folder where a test may have them."""
    moved = dict(environ)
    for name, value in environ.items():
        if name.endswith("_FILE"):
            file = folder / Path(value).name
            file.write_text(CONTENT[file.name], encoding="utf-8")
            file.chmod(0o400)
            moved[name] = str(file)
    moved["GATEWAY_SPILL_DIR"] = str(folder)
    return {name: value for name, value in moved.items() if name.startswith(PREFIX)}


def seconds(text: str) -> int:
    assert text.endswith("s")
    return int(text.removesuffix("s"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_variable_is_a_setting(path: Path) -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}

    assert set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", path.read_text(encoding="utf-8"))) <= known


def test_no_key_stands_twice() -> None:
    assert all(documents(path) for path in FILES if path.suffix == ".yaml")
    with pytest.raises(AssertionError, match="stands twice"):
        yaml.load("{a: 1, a: 2}", Strict)  # noqa: S506 - a safe loader


def test_composes_environment_starts_a_gateway(tmp_path: Path) -> None:
    for name in ("gateway", "migrate"):
        settings = load_settings(in_reach(compose()["services"][name]["environment"], tmp_path))

        assert create_app(settings)
        assert settings.database_url.startswith("postgresql://")
        assert settings.valkey_url is not None


def test_the_manifests_environment_starts_a_gateway(tmp_path: Path) -> None:
    (container,) = gateway_pod()["containers"]
    secret = manifest("Secret", "gateway")["stringData"]
    given: dict[str, str] = dict(manifest("ConfigMap", "gateway")["data"])
    given |= {each["name"]: secret[each["valueFrom"]["secretKeyRef"]["key"]] for each in container["env"]}

    assert container["envFrom"] == [{"configMapRef": {"name": "gateway"}}]
    assert create_app(load_settings(in_reach(given, tmp_path)))


def test_every_secret_is_where_the_environment_says() -> None:
    whole = compose()
    for service in whole["services"].values():
        files = [value for value in service.get("environment", {}).values() if value.startswith("/run/secrets/")]

        assert {f"/run/secrets/{name}" for name in service.get("secrets", ())} == set(files)
        assert set(service.get("secrets", ())) <= set(whole["secrets"])


def test_mounted_files_are_where_the_manifests_say() -> None:
    config = manifest("ConfigMap", "gateway")["data"]
    (container,) = gateway_pod()["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in gateway_pod()["volumes"]}
    mounted = {f"{mounts['secrets']}/{item['path']}" for item in volumes["secrets"]["secret"]["items"]}

    assert set(volumes) == set(mounts)
    assert {value for name, value in config.items() if name.endswith("_FILE")} == mounted
    assert config["GATEWAY_SPILL_DIR"] == mounts["spill"]
    assert {item["key"] for item in volumes["secrets"]["secret"]["items"]} <= set(
        manifest("Secret", "gateway")["stringData"]
    )


def test_a_stop_has_the_time_that_it_may_take(tmp_path: Path) -> None:
    service = compose()["services"]["gateway"]
    grace = load_settings(in_reach(service["environment"], tmp_path)).shutdown_grace_seconds
    pod = gateway_pod()
    (container,) = pod["containers"]
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    pods_grace = float(manifest("ConfigMap", "gateway")["data"]["GATEWAY_SHUTDOWN_GRACE_SECONDS"])

    assert AFTER_GRACE_SECONDS < AFTER_STOP_S
    assert seconds(service["stop_grace_period"]) >= grace + AFTER_STOP_S
    assert pod["terminationGracePeriodSeconds"] >= pause + pods_grace + AFTER_STOP_S


def test_no_pod_is_given_variables_of_services() -> None:
    assert {name: pod.get("enableServiceLinks") for name, pod in pods()} == dict.fromkeys(
        ("gateway", "gateway-migrate", "postgres", "valkey"), False
    )


def test_two_gateways_of_one_version() -> None:
    (migrating,) = manifest("Job", "gateway-migrate")["spec"]["template"]["spec"]["containers"]
    (serving,) = gateway_pod()["containers"]
    services = compose()["services"]

    assert manifest("Deployment", "gateway")["spec"]["replicas"] == services["gateway"]["deploy"]["replicas"] == 2
    assert migrating["image"] == serving["image"]
    assert services["migrate"]["image"] == services["gateway"]["image"]
    assert migrating["args"] == services["migrate"]["command"] == ["llm-gateway", "migrate"]
    assert services["gateway"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_every_selector_finds_its_pods() -> None:
    specs = [each.get("spec", {}) for each in manifests()]
    labels = [spec["template"]["metadata"]["labels"] for spec in specs if "template" in spec]
    wanted = [spec["selector"].get("matchLabels", spec["selector"]) for spec in specs if "selector" in spec]

    assert len(wanted) == 7
    assert [sum(each.items() <= has.items() for has in labels) for each in wanted] == [1] * len(wanted)


def test_the_router_hands_on_what_it_gets() -> None:
    lines = [line.strip() for line in (DEPLOY / "nginx.conf").read_text(encoding="utf-8").splitlines()]
    (wait,) = [line.split()[1].rstrip(";") for line in lines if line.startswith("proxy_read_timeout")]
    repeats = [line for line in lines if line.startswith("proxy_next_upstream")]

    assert {"proxy_buffering off;", "gzip off;", "proxy_http_version 1.1;"} <= set(lines)
    assert seconds(wait) > 60
    assert repeats == ["proxy_next_upstream error timeout;"]
