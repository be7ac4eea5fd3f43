"""JSON that no Voyage sends, and some that it could."""

from typing import Any

from hypothesis import strategies as st

TEXT = st.one_of(
    st.text(st.characters(), max_size=30),
    st.sampled_from(["\n## Trip Context\n", "a\u2028b", "\x1b[2J\x00", "\ud83d", "x" * 5000, "  ", "## ", "\u202egnp"]),
)
SCALAR = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    SCALAR, lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(TEXT, inner, max_size=5)), max_leaves=8
)


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with these fields, each of which may be missing or anything else."""
    return st.fixed_dictionaries({}, optional={name: st.one_of(good, ANYTHING) for name, good in fields.items()})
