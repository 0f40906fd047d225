from __future__ import annotations

import grp
import os
import pwd
import socket

import pytest

from dsked.delivery.access import AccessRules, LocalUser, group_id, user_id
from dsked.errors import ConfigurationError

RULES = AccessRules(
    owner_uid=500, users={"sam": frozenset([1001])}, groups={"sam": frozenset([70]), "sue": frozenset([71])}
)


class InGroups(LocalUser):
    """A user of the groups that the test names, whatever this system's user database says."""

    def __init__(self, uid, *groups):
        super().__init__(uid, 9999)
        self.__dict__["groups"] = frozenset(groups)


@pytest.mark.parametrize(
    ("user", "may_sam", "may_sue", "may_control"),
    [
        (InGroups(0), True, True, True),
        (InGroups(500), True, True, True),
        (InGroups(1001), True, False, False),
        (InGroups(1002, 70), True, False, False),
        (InGroups(1002, 71), False, True, False),
        (InGroups(1002, 70, 71), True, True, False),
        (InGroups(1002, 72), False, False, False),
        (InGroups(1002), False, False, False),
    ],
)
def test_who_may_do_what(user, may_sam, may_sue, may_control):
    assert RULES.may_act_for(user, "sam") == may_sam
    assert RULES.may_act_for(user, "sue") == may_sue
    assert RULES.may_act_for(user, "someone else") == may_control
    assert RULES.may_control(user) == may_control


def test_the_user_on_the_other_end_of_a_socket():
    left, right = socket.socketpair()
    with left, right:
        assert LocalUser.of_peer(left) == LocalUser(os.getuid(), os.getgid())


def test_groups_come_from_the_user_database():
    me = pwd.getpwuid(os.getuid())
    assert LocalUser(me.pw_uid, me.pw_gid).groups == set(os.getgrouplist(me.pw_name, me.pw_gid))


def test_a_user_without_a_name_has_the_group_of_its_process():
    assert LocalUser(3_999_999_999, 77).groups == {77}


def test_rules_from_names_and_numbers():
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    rules = AccessRules.from_names(500, {"sam": [user, "1234"]}, {"sue": [group, "4321"]})
    assert rules.users == {"sam": {os.getuid(), 1234}}
    assert rules.groups == {"sue": {os.getgid(), 4321}}


@pytest.mark.parametrize("number_of", [user_id, group_id])
def test_a_name_that_this_system_does_not_have(number_of):
    with pytest.raises(ConfigurationError, match=r"no local .* 'nobody-of-this-name'"):
        number_of("nobody-of-this-name")
    assert number_of("4294967294") == 4294967294
    for number in ("4294967295", "99999999999999", "-1", ""):
        with pytest.raises(ConfigurationError, match=f"no local .* '{number}'"):
            number_of(number)
