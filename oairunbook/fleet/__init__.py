"""A fleet: many runtimes that should be alike, compared. Pure, like the diagnosis.

`members` reads each record once, `facts` says what is compared, `separate` looks for what tells failing members from healthy ones,
`chance` says how surprising that is, and `survey` puts them together.
"""

from oairunbook.fleet.members import Looked, Member, Missed, member
from oairunbook.fleet.survey import FLEET_SCHEMA, Fleet, Group, Separation, Told, load_fleet, survey

__all__ = [
    "FLEET_SCHEMA",
    "Fleet",
    "Group",
    "Looked",
    "Member",
    "Missed",
    "Separation",
    "Told",
    "load_fleet",
    "member",
    "survey",
]
