import base64
import traceback
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ConfigError, CredentialUnreadable
from app.secret import Secret
from app.vault import Binding, Vault, generate_key, keyring, mask

KEY_1, KEY_2 = (base64.b64encode(bytes([7 * n % 256 ^ seed for n in range(32)])).decode() for seed in (0x5A, 0xC3))
FIELD_KEY = Fernet.generate_key().decode()
ROW = UUID("7f1c8f0e-0000-4000-8000-000000000001")
BINDING = Binding(row_id=ROW, user_id="ann", provider="groq", origin="https://api.groq.com")
KEY = Secret("gsk_0123456789abcdef")
VAULT = Vault.from_config(Secret(f"k2:{KEY_2},k1:{KEY_1}"), None)
NO_SURROGATES = st.text(alphabet=st.characters(exclude_categories=["Cs"]))


def vault(keys: str | None, field_key: str | None = None) -> Vault:
    return Vault.from_config(Secret(keys) if keys else None, Secret(field_key) if field_key else None)


@given(NO_SURROGATES.filter(bool), NO_SURROGATES, NO_SURROGATES, NO_SURROGATES)
def test_what_is_sealed_opens_again(secret: str, user_id: str, provider: str, origin: str) -> None:
    binding = Binding(row_id=uuid4(), user_id=user_id, provider=provider, origin=origin)

    sealed = VAULT.seal(Secret(secret), binding)

    assert VAULT.open(sealed.text, binding).reveal() == secret
    assert sealed.kid == "k2"
    assert sealed.text.startswith("v1.k2.")


def test_the_same_key_is_never_sealed_alike() -> None:
    assert VAULT.seal(KEY, BINDING).text != VAULT.seal(KEY, BINDING).text


def test_the_stored_form_is_the_documented_one() -> None:
    version, kid, body = VAULT.seal(KEY, BINDING).text.split(".")
    data = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))

    assert (version, kid, len(data)) == ("v1", "k2", 12 + len(KEY.reveal()) + 16)


@given(st.data())
def test_any_bit_that_changes_makes_it_unreadable(data: st.DataObject) -> None:
    text = VAULT.seal(KEY, BINDING).text.encode()
    place, bit = data.draw(st.integers(0, len(text) - 1)), data.draw(st.integers(0, 6))
    changed = bytearray(text)
    changed[place] ^= 1 << bit

    with pytest.raises(CredentialUnreadable):
        VAULT.open(changed.decode(), BINDING)


@given(NO_SURROGATES)
def test_any_other_text_is_unreadable(text: str) -> None:
    for candidate in (text, f"v1.k1.{text}", f"v1.{text}.AAAA"):
        with pytest.raises(CredentialUnreadable):
            VAULT.open(candidate, BINDING)


@pytest.mark.parametrize("extra", ["\n", "=", "==", " ", "A", "."])
def test_there_is_one_spelling_only(extra: str) -> None:
    text = VAULT.seal(KEY, BINDING).text
    for candidate in (text + extra, extra + text):
        with pytest.raises(CredentialUnreadable):
            VAULT.open(candidate, BINDING)


@pytest.mark.parametrize(
    "moved",
    [
        replace(BINDING, row_id=UUID("7f1c8f0e-0000-4000-8000-000000000002")),
        replace(BINDING, user_id="bob"),
        replace(BINDING, provider="openai"),
        replace(BINDING, origin="https://api.groq.com:8443"),
        replace(BINDING, origin="http://api.groq.com"),
        replace(BINDING, user_id="anng", provider="roq"),
    ],
)
def test_a_moved_row_is_unreadable(moved: Binding) -> None:
    sealed = VAULT.seal(KEY, BINDING)

    with pytest.raises(CredentialUnreadable):
        VAULT.open(sealed.text, moved)


@given(st.lists(st.sampled_from(["a", "|", "||", "a|", "\x00", "1", "", "\x00\x00\x00\x01"]), min_size=6, max_size=6))
def test_no_two_bindings_look_alike(parts: list[str]) -> None:
    one = Binding(row_id=ROW, user_id=parts[0], provider=parts[1], origin=parts[2])
    two = Binding(row_id=ROW, user_id=parts[3], provider=parts[4], origin=parts[5])
    sealed = VAULT.seal(KEY, one)

    if one == two:
        assert VAULT.open(sealed.text, two) == KEY
    else:
        with pytest.raises(CredentialUnreadable):
            VAULT.open(sealed.text, two)


def test_rows_that_were_swapped_are_unreadable() -> None:
    other = replace(BINDING, row_id=uuid4(), user_id="bob")
    mine, theirs = VAULT.seal(KEY, BINDING), VAULT.seal(Secret("gsk_of_bob"), other)

    for text, binding in ((mine.text, other), (theirs.text, BINDING)):
        with pytest.raises(CredentialUnreadable):
            VAULT.open(text, binding)


def test_a_kid_that_was_rewritten_is_unreadable() -> None:
    sealed = VAULT.seal(KEY, BINDING)
    same_key_other_name = vault(f"k9:{KEY_2}")

    with pytest.raises(CredentialUnreadable):
        same_key_other_name.open(sealed.text.replace("v1.k2.", "v1.k9."), BINDING)


@given(st.binary(min_size=32, max_size=32), st.sampled_from(["credential/encrypt", "voyage/kid"]), st.integers(1, 32))
def test_subkeys_are_those_ofhkdf(master: bytes, purpose: str, length: int) -> None:
    info = f"llm-gateway/{purpose}/1".encode()
    expected = HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(master)

    assert keyring.hkdf(master, purpose, length) == expected


# --- the keyring


def test_the_first_key_writes_and_all_read() -> None:
    old = vault(f"k1:{KEY_1}")
    sealed = old.seal(KEY, BINDING)
    rotated = vault(f" k2:{KEY_2},\n k1 : {KEY_1} ,")

    assert (rotated.current_kid, rotated.kids) == ("k2", ("k2", "k1"))
    assert rotated.open(sealed.text, BINDING) == KEY
    with pytest.raises(CredentialUnreadable):
        old.open(rotated.seal(KEY, BINDING).text, BINDING)


def test_a_lost_key_is_unreadable_and_says_nothing() -> None:
    sealed = VAULT.seal(KEY, BINDING)

    with pytest.raises(CredentialUnreadable) as lost:
        vault(f"k1:{KEY_1}").open(sealed.text, BINDING)

    shown = "".join(traceback.format_exception(lost.value))
    assert sealed.text not in shown
    assert lost.value.origin.provider == "groq"


def test_another_key_by_the_same_name_is_unreadable_and_shows_in_the_check_value() -> None:
    one, two = vault(f"k1:{KEY_1}"), vault(f"k1:{KEY_2}")

    with pytest.raises(CredentialUnreadable):
        two.open(one.seal(KEY, BINDING).text, BINDING)
    assert one.check_values().keys() == two.check_values().keys() == {"k1"}
    assert one.check_values() != two.check_values()
    assert one.check_values() == vault(f"k1:{KEY_1}").check_values()


def test_voyages_key_alone_is_enough() -> None:
    derived = vault(None, FIELD_KEY)

    assert derived.kids == (derived.current_kid,)
    assert derived.current_kid.startswith("fek-")
    assert len(derived.current_kid) == len("fek-") + 8
    assert derived.kids == vault(None, FIELD_KEY).kids != vault(None, Fernet.generate_key().decode()).kids
    assert vault(None, FIELD_KEY).open(derived.seal(KEY, BINDING).text, BINDING) == KEY


def test_beside_an_own_key_voyages_key_only_reads() -> None:
    before = vault(None, FIELD_KEY).seal(KEY, BINDING)

    both = vault(f"k1:{KEY_1}", FIELD_KEY)

    assert both.current_kid == "k1"
    assert both.open(before.text, BINDING) == KEY


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("k1", "32 bytes"),
        ("k1:", "32 bytes"),
        ("k1:short", "32 bytes"),
        (f"k1:{KEY_1}A", "32 bytes"),
        (f"k1:{KEY_1[:-2]}", "32 bytes"),
        (f"k1:{base64.b64encode(bytes(31)).decode()}", "32 bytes"),
        (f"k1:{KEY_1[:-3]}é=", "32 bytes"),
        (f":{KEY_1}", "name"),
        (f"k.1:{KEY_1}", "name"),
        (f"{'k' * 33}:{KEY_1}", "name"),
        (f"fek-00000000:{KEY_1}", "fek-"),
        (f"k1:{base64.b64encode(bytes(32)).decode()}", "not random"),
        (f"k1:{base64.b64encode(b'x' * 32).decode()}", "not random"),
        (f"k1:{base64.b64encode(bytes(range(32))).decode()}", "not random"),
        (f"k1:{base64.b64encode(b'0123456789abcdef' * 2).decode()}", "not random"),
        (f"k1:{KEY_1},k1:{KEY_2}", "entry 2 repeats the name"),
        (f"k1:{KEY_1},k2:{KEY_1}", "entry 2 repeats another key"),
        (",", "holds no key"),
    ],
)
def test_bad_keys_stop_the_start_without_being_shown(keys: str, said: str) -> None:
    with pytest.raises(ConfigError, match="GATEWAY_CREDENTIAL_KEYS") as refused:
        vault(keys)

    assert said in str(refused.value)
    shown = "".join(traceback.format_exception(refused.value))
    assert KEY_1[:8] not in shown


@pytest.mark.parametrize(
    "key",
    ["x", "not a key", base64.b64encode(bytes(32)).decode(), FIELD_KEY[:-4]],
    ids=["short", "words", "zeros", "cut"],
)
def test_a_bad_key_of_voyage_stops_the_start(key: str) -> None:
    with pytest.raises(ConfigError, match="FIELD_ENCRYPTION_KEY"):
        vault(None, key)


def test_no_key_at_all_stops_the_start() -> None:
    with pytest.raises(ConfigError, match=r"GATEWAY_CREDENTIAL_KEYS.*FIELD_ENCRYPTION_KEY"):
        vault(None)


def test_a_generated_key_can_be_used() -> None:
    one, two = generate_key(), generate_key()

    assert one != two
    assert vault(f"{one},{two}").current_kid == one.partition(":")[0]


@given(st.binary(min_size=32, max_size=32))
def test_random_bytes_are_taken_in_either_alphabet(key: bytes) -> None:
    for text in (base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode().rstrip("=")):
        try:
            made = vault(f"k:{text}")
        except ConfigError as weak:
            assert "not random" in str(weak)  # noqa: PT017 - hypothesis likes simple keys
        else:
            assert made.open(made.seal(KEY, BINDING).text, BINDING) == KEY


def test_nothing_about_the_keys_is_printed() -> None:
    shown = repr(VAULT) + str(VAULT) + repr(vault(None, FIELD_KEY))

    assert KEY_1[:8] not in shown
    assert FIELD_KEY[:8] not in shown
    assert "b'" not in shown


# --- fingerprints, masks, Voyage's tokens


def test_a_fingerprint_is_equal_for_equal_keys_only() -> None:
    assert VAULT.fingerprint(KEY) == VAULT.fingerprint(Secret(KEY.reveal()))
    assert VAULT.fingerprint(KEY) != VAULT.fingerprint(Secret(KEY.reveal() + "x"))
    assert VAULT.fingerprint(KEY) != vault(f"k1:{KEY_1}").fingerprint(KEY)
    assert KEY.reveal() not in VAULT.fingerprint(KEY)


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("a", "********"),
        ("sk-1234", "********"),
        ("x" * 19, "********"),
        ("abcdefghijklmnopqrst", "abc********rst"),
        ("abc" + "x" * 400 + "rst", "abc********rst"),
    ],
)
def test_a_mask_has_one_width(secret: str, shown: str) -> None:
    assert mask(Secret(secret)) == shown


def test_a_token_of_voyage_opens() -> None:
    token = Fernet(FIELD_KEY).encrypt(b"sk-from-voyage").decode()

    assert vault(None, FIELD_KEY).open_fernet(token).reveal() == "sk-from-voyage"
    assert vault(f"k1:{KEY_1}", FIELD_KEY.rstrip("=")).open_fernet(token).reveal() == "sk-from-voyage"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe"])
def test_a_token_without_a_key_in_it_is_unreadable(content: bytes) -> None:
    of_another_key = Fernet(Fernet.generate_key()).encrypt(b"sk-1").decode()

    for token in (Fernet(FIELD_KEY).encrypt(content).decode(), of_another_key):
        with pytest.raises(CredentialUnreadable):
            vault(None, FIELD_KEY).open_fernet(token)


@given(NO_SURROGATES)
def test_any_other_token_is_unreadable(token: str) -> None:
    with pytest.raises(CredentialUnreadable):
        vault(None, FIELD_KEY).open_fernet(token)


def test_without_voyages_key_its_tokens_need_it() -> None:
    with pytest.raises(ConfigError, match="FIELD_ENCRYPTION_KEY"):
        VAULT.open_fernet("gAAAA")
