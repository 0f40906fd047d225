"""Where files are found and made."""

import os
from pathlib import Path

import pytest

from dsked import limits
from dsked.config import document, paths
from dsked.errors import ConfigurationError


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who is not root, with directories of his own."""
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() or 4711)
    for name in ("DSKED_STATE_DIR", "DSKED_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(paths, "SYSTEM_RUNTIME_DIR", tmp_path / "system")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_named_file_comes_before_the_defaults(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = user / "etc.yaml"
    monkeypatch.setattr(paths, "DEFAULT_CONFIGS", (Path("dske-config.yaml"), system))
    assert paths.default_config() is None
    with pytest.raises(
        ConfigurationError, match=r"none of \./dske-config\.yaml, .*etc\.yaml exists; name .* --config"
    ):
        paths.find_config(None)
    system.touch()
    assert paths.find_config(None) == system
    Path("dske-config.yaml").touch()
    assert paths.find_config(None) == Path("dske-config.yaml")
    Path("other.yaml").touch()
    assert paths.find_config("other.yaml") == Path("other.yaml")
    with pytest.raises(ConfigurationError, match=r"missing\.yaml: there is no such file"):
        paths.find_config("missing.yaml")


@pytest.fixture
def lying_there(user: Path) -> Path:
    """A file of the default name in the current directory."""
    (user / "dske-config.yaml").touch(0o644)
    return user / "dske-config.yaml"


def belongs_to(monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    stat = Path.stat

    def changed(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        found = stat(path, follow_symlinks=follow_symlinks)
        return os.stat_result((*found[:4], uid, *found[5:]))

    monkeypatch.setattr(Path, "stat", changed)


def test_a_strangers_file_in_the_current_directory_must_be_named(
    lying_there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    belongs_to(monkeypatch, 1234)
    with pytest.raises(ConfigurationError, match=r"^\./dske-config\.yaml: belongs to user 1234, .* name it"):
        paths.find_config(None)
    assert paths.find_config("dske-config.yaml") == Path("dske-config.yaml")
    monkeypatch.setenv("SUDO_UID", "1234")
    assert paths.find_config(None) == Path("dske-config.yaml")


@pytest.mark.parametrize("sudo_uid", ["1234", "", "x", "9" * 5000])
def test_sudo_counts_for_root_alone_and_root_is_trusted(
    lying_there: Path, monkeypatch: pytest.MonkeyPatch, sudo_uid: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    monkeypatch.setenv("SUDO_UID", sudo_uid)
    belongs_to(monkeypatch, 0)
    assert paths.find_config(None) == Path("dske-config.yaml")
    belongs_to(monkeypatch, 1234)
    with pytest.raises(ConfigurationError, match="belongs to user 1234, and this is user 4711"):
        paths.find_config(None)


def test_a_file_in_the_current_directory_that_everybody_may_write_must_be_named(lying_there: Path) -> None:
    lying_there.chmod(0o666)
    with pytest.raises(ConfigurationError, match="everybody may write it"):
        paths.find_config(None)
    assert paths.find_config(lying_there) == lying_there


def test_nobody_waits_for_a_pipe(user: Path) -> None:
    os.mkfifo("dske-config.yaml")
    with pytest.raises(ConfigurationError, match=r"is a pipe, .*; expected a regular file"):
        paths.find_config(None)
    for look in (paths.node_of, document.load, paths.topology_id):
        with pytest.raises(ConfigurationError, match=r"is a pipe, .*; expected a regular file"):
            look(user / "dske-config.yaml")
        with pytest.raises(ConfigurationError, match=r"is a directory; expected a regular file"):
            look(user)


def test_a_topology_is_known_by_its_real_path(user: Path) -> None:
    file = user / "lab.yaml"
    file.touch()
    (user / "link.yaml").symlink_to(file)
    other = user / "b" / "lab.yaml"
    assert (
        paths.topology_id(file)
        == paths.topology_id(Path("lab.yaml"))
        == paths.topology_id(user / "link.yaml")
    )
    assert paths.topology_id(file) != paths.topology_id(other)
    assert paths.topology_id(file).startswith("lab-")
    strange = paths.topology_id(user / f"a b\u00e9/../x y{'z' * 100}.yaml")
    assert len(strange) <= 33
    assert strange.replace("-", "").replace("_", "").isalnum()


def test_the_state_directory_by_precedence(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = user / "lab.yaml"
    assert paths.state_dir(config, None, Path("/file")) == Path("/file")
    assert paths.state_dir(config) == user / ".local/state/dsked" / paths.topology_id(config)
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    assert paths.state_dir(config) == Path("/x/dsked") / paths.topology_id(config)
    monkeypatch.setenv("DSKED_STATE_DIR", "/env")
    assert paths.state_dir(config) == Path("/env")
    assert paths.state_dir(config, None, Path("/file")) == Path("/env")
    assert paths.state_dir(config, "here", Path("/file")) == user / "here"


def test_root_keeps_state_and_sockets_in_the_system(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    config = user / "lab.yaml"
    assert paths.state_dir(config) == Path("/var/lib/dsked") / paths.topology_id(config)
    assert paths.runtime_base() == paths.SYSTEM_RUNTIME_DIR


def test_the_runtime_directory_by_precedence(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paths.runtime_base() == Path(f"/tmp/dsked-{os.geteuid()}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(user / "missing"))
    assert paths.runtime_base() == Path(f"/tmp/dsked-{os.geteuid()}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(user))
    assert paths.runtime_base() == user / "dsked"
    monkeypatch.setenv("DSKED_RUNTIME_DIR", "/env")
    assert paths.runtime_base() == Path("/env")
    assert paths.runtime_base("here") == user / "here"


def test_a_topology_that_runs_in_the_system_is_found_there(user: Path) -> None:
    config = user / "lab.yaml"
    own = Path(f"/tmp/dsked-{os.geteuid()}") / paths.topology_id(config)
    assert paths.runtime_dir(config) == own
    system = paths.SYSTEM_RUNTIME_DIR / paths.topology_id(config)
    system.mkdir(parents=True)
    assert paths.runtime_dir(config) == system
    assert paths.runtime_dir(config, "here") == user / "here" / paths.topology_id(config)


def test_the_place_of_sockets_lets_groups_pass(directory: Path) -> None:
    umask = os.umask(0o077)
    try:
        prepared = paths.prepare_runtime_dir(directory / "lab.yaml")
    finally:
        os.umask(umask)
    assert prepared.parent.stat().st_mode & 0o777 == 0o755
    assert not prepared.exists()  # the first node makes it, for the group that may enter
    assert paths.lock_file(prepared).parent == prepared.parent


def test_a_directory_that_others_could_have_planted_is_refused(directory: Path) -> None:
    base = directory / "run"
    base.symlink_to(directory)
    with pytest.raises(ConfigurationError, match="belongs to somebody else, or is no directory"):
        paths.prepare_runtime_dir(None)
    base.unlink()
    base.mkdir()
    base.chmod(0o777)
    with pytest.raises(ConfigurationError, match="everybody can write there; mend it with: chmod o-w"):
        paths.prepare_runtime_dir(None)
    base.chmod(0o1777)  # as /tmp is: what is ours in it stays ours
    paths.prepare_runtime_dir(None).mkdir()
    paths.prepare_runtime_dir(None)


def test_a_directory_of_somebody_else_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = directory / "run"
    base.mkdir()
    os.chown(base, 4711, -1) if os.getuid() == 0 else monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(ConfigurationError, match="belongs to somebody else"):
        paths.prepare_runtime_dir(None)


def test_a_planted_directory_of_sockets_is_refused(directory: Path) -> None:
    prepared = paths.prepare_runtime_dir(None)
    prepared.symlink_to(directory)
    with pytest.raises(ConfigurationError, match="no-topology: belongs to somebody else, or is no directory"):
        paths.prepare_runtime_dir(None)


def test_a_directory_that_cannot_be_made_says_what_to_do(directory: Path) -> None:
    (directory / "run").symlink_to(directory / "missing" / "run")
    with pytest.raises(
        ConfigurationError, match=r"cannot be made: .*; choose another place with --runtime-dir"
    ):
        paths.prepare_runtime_dir(None)


def test_a_socket_path_fits_unix_or_says_the_limit() -> None:
    assert paths.socket_path(Path("/r"), "hub", "hank") == Path("/r/hub-hank.sock")
    longest = Path("/" + "r" * (limits.MAX_SOCKET_PATH_BYTES - len("//hub-h.sock")))
    assert len(str(paths.socket_path(longest, "hub", "h"))) == 107
    with pytest.raises(
        ConfigurationError, match=r"hub-hh\.sock: .* at most 107 bytes, this one 108; .*--runtime-dir"
    ):
        paths.socket_path(longest, "hub", "hh")


def test_default_socket_paths_fit_whatever_the_names(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/4294967294")
    monkeypatch.setattr(Path, "is_dir", lambda self: True)
    directory = paths.runtime_dir(user / f"{'c' * 200}.yaml")
    first, second = (
        paths.socket_path(directory, "client", "n" * (limits.MAX_NODE_NAME_BYTES - 1) + last) for last in "ab"
    )
    assert first != second
    assert "~" not in paths.socket_name("n" * 32)
    assert paths.socket_name(paths.socket_name("n" * 33)) == paths.socket_name("n" * 33)


def test_sockets_of_all_topologies_are_found(directory: Path) -> None:
    for name in ("a/client-carol.sock", "b/client-carol.sock", "b/hub-hank.sock", "b/notes.txt"):
        file = directory / "run" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    named = str(directory / "run")
    assert [str(one.relative_to(named)) for one in paths.sockets_on_host(named)] == [
        "a/client-carol.sock",
        "b/client-carol.sock",
        "b/hub-hank.sock",
    ]


def test_the_system_is_searched_unless_a_place_is_named(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(user))
    for name in ("dsked/a/client-own.sock", "system/a/client-service.sock"):
        (user / name).parent.mkdir(parents=True)
        (user / name).touch()
    assert [one.stem for one in paths.sockets_on_host()] == ["client-own", "client-service"]
    monkeypatch.setenv("DSKED_RUNTIME_DIR", str(user / "dsked"))
    assert [one.stem for one in paths.sockets_on_host()] == ["client-own"]


def test_sockets_below_a_directory_that_somebody_planted_are_not_asked(
    user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody can make /tmp/dsked-UID, before its user does."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(user))
    planted, service = user / "dsked/a/client-carol.sock", user / "system/a/client-carol.sock"
    for socket in (planted, service):
        socket.parent.mkdir(parents=True)
        socket.touch()
    assert paths.sockets_on_host() == [planted, service]
    assert paths.is_trusted(planted)
    os.chown(user / "dsked", 4712, -1) if os.getuid() == 0 else monkeypatch.setattr(
        os, "geteuid", lambda: 4712
    )
    assert paths.sockets_on_host() == [service]
    assert (paths.is_trusted(planted), paths.is_trusted(service)) == (False, True)
