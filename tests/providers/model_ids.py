"""Model ids as people, lists and stored preferences write them, for hypothesis."""

from hypothesis import strategies as st

from app.providers.catalog import CATALOG

names = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9._:+-]{0,12}", fullmatch=True).filter(lambda name: ".." not in name)
prefixes = st.sampled_from(
    sorted(
        {row.id for row in CATALOG}
        | {row.routing_prefix for row in CATALOG}
        | {name for row in CATALOG for name in (*row.aliases, *row.namespaces)}
        | {"meta-llama", "Qwen", "anything"}
    )
)
tails = st.one_of(names, st.sampled_from(["auto", "free", "compound", "gpt-6-luna", "models", "gemini-x"]))


def joined(front: list[str], tail: str) -> str:
    return "/".join([*front, tail])


model_ids = st.builds(joined, st.lists(prefixes, max_size=4), tails)
