"""What dataset.toml says of one's own recordings."""

from __future__ import annotations

import tomllib
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harbench.data.archive import Members
from harbench.errors import HarbenchError, first_wrong

# Hz and metres from the pelvis; far more than any body-worn device has.
HIGHEST_RATE, FARTHEST = 20_000, 10


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


Metres = Annotated[float, Field(ge=-FARTHEST, le=FARTHEST, allow_inf_nan=False)]


class SensorFacts(_Part):
    """A body-worn device. position: metres from the pelvis: right, forward, up."""

    name: Annotated[str, Field(min_length=1)]
    position: tuple[Metres, Metres, Metres]


class Facts(_Part):
    """What dataset.toml says. channels: of every sensor; units: as many, or none.

    leave_out: labels that the files hold and that count as no label.
    """

    title: str
    rate: Annotated[float, Field(gt=0, le=HIGHEST_RATE, allow_inf_nan=False)]
    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    leave_out: tuple[str, ...] = ()
    channels: Annotated[tuple[str, ...], Field(min_length=1)]
    units: tuple[str, ...] = ()
    licence: str = ""
    citation: str = ""
    sensors: Annotated[tuple[SensorFacts, ...], Field(min_length=1)]


def read_facts(members: Members, file: str) -> Facts:
    """The facts in a file of an archive or folder; HarbenchError names the file and the key."""
    where = f"{members.source}: {file}"
    try:
        facts = Facts.model_validate(tomllib.loads(members.read(file).decode("utf-8-sig")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HarbenchError(f"{where}: not valid TOML: {error}.") from None
    except ValidationError as error:
        key, message = first_wrong(error)
        raise HarbenchError(f"{where}: {key}: {message}.") from None
    names = [sensor.name for sensor in facts.sensors]
    labels = (*facts.classes, *facts.leave_out)
    for what, given in (("sensor", names), ("channel", facts.channels), ("class", labels)):
        if len(set(given)) != len(given):
            raise HarbenchError(f"{where}: two entries of {what} have one name.")
    if facts.units and len(facts.units) != len(facts.channels):
        raise HarbenchError(f"{where}: units: as many as channels are needed, or none.")
    return facts
