"""The reference tree of the RFC 6962 implementations: eight leaves, its roots, and proofs in it.

Facts published with Certificate Transparency's tests (transparency-dev/merkle, in its folders
testonly and testdata), written down as they are there.
"""

from base64 import b64decode
from typing import NamedTuple

LEAVES = [
    bytes.fromhex(data)
    for data in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]

ROOTS = [
    bytes.fromhex(root)
    for root in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
"""By number of leaves, from the empty tree."""

_A = "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0="
_B = "lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c="
_CD = "Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4="
_AB = "+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSU="
_ABCD = "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc="
_E = "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms="
_EF = "DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o="
_G = "sIaT7C5yFZcTBkHoIR5+7cy0wmQTlj7ubB4u0W/7Gl8="
_GH = "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA="
_EFGH = "a0eq8p7jwq+a+Im8H7klTavTEXfxYjLdaqsDXKOb9uQ="


class Inclusion(NamedTuple):
    """A proof that a leaf is in the tree of size leaves."""

    index: int
    size: int
    path: list[bytes]


class Consistency(NamedTuple):
    """A proof that the tree of second leaves begins with the tree of first."""

    first: int
    second: int
    path: list[bytes]


def _path(*hashes: str) -> list[bytes]:
    return [b64decode(text) for text in hashes]


INCLUSIONS = [
    Inclusion(0, 1, []),
    Inclusion(0, 8, _path(_B, _CD, _EFGH)),
    Inclusion(5, 8, _path(_E, _GH, _ABCD)),
    Inclusion(2, 3, _path(_AB)),
    Inclusion(1, 5, _path(_A, _CD, _E)),
]

CONSISTENCIES = [
    Consistency(1, 1, []),
    Consistency(1, 8, _path(_B, _CD, _EFGH)),
    Consistency(6, 8, _path(_EF, _GH, _ABCD)),
    Consistency(2, 5, _path(_CD, _E)),
    Consistency(6, 7, _path(_EF, _G, _ABCD)),
]
