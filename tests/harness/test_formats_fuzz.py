"""Whatever the bytes, a reader gives a history or a one-line UserError."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.harness.errors import UserError
from duress.harness.formats import FORMATS, load

TXN = "[[:append 1 2] [:r 1 [1 2]]]"
SEEDS = {
    "jsonl": '{"index":0,"time":1,"process":0,"type":"invoke","f":"cas","value":[1,2],"key":"x"}\n'
             '{"index":1,"time":2,"process":0,"type":"info","f":"cas","error":["e",{"a":1}]}\n',
    "jepsen-edn": f'[#j.Op{{:process 0, :type :invoke, :f :txn, :value {TXN}, :time 1, :index 0}}\n'
                  f'{{:process 0, :type :ok, :f :txn, :value {TXN}, :time 2}} ; end\n'
                  r'{:process :nemesis, :type :info, :f :a, :value {"n1" #{1 \a 2/3 0x1f 1M}}}]',
    "jepsen-json": '[{"process":0,"type":"invoke","value":[["w",1,2]],"time":1},\n'
                   '{"process":0,"type":"ok","value":[["w",1,2]],"time":2}]',
    "porcupine-etcd": "INFO  jepsen.util - 0\t:invoke\t:cas\t[1 2]\n"
                      "INFO  jepsen.util - 0\t:info\t:cas\t:timed-out\n",
    "porcupine-kv": '{:process 0, :type :invoke, :f :append, :key "0", :value "x\\n"}\n'
                    '{:process 0, :type :ok, :f :append, :key "0", :value "x\\n"}\n',
    "plume": "w(1,5,0,0)\nr(2,0,0,-1)\n",
    "awdit": "w 1 5\n-----\nr 1 5\n=====\nr 2 0\n",
    "dbcop": "- - events:\n    - write: true\n      variable: 0\n"
             "      value: 1\n    success: true\n",
}  # fmt: skip

SPLICES = [
    b"", b"{", b"}", b"[", b"]", b"(", b")", b'"', b"\\", b"#", b"#_", b"#:a", b"^", b":", b";",
    b"-1", b"1e999", b"9" * 30, b"9" * 5000, b"1/0", b"nil", b"null", b"NaN", b"##NaN", b"\n",
    b"\0",
    b"\xff", b"\xed\xa0\x80", b"\\ud800", b"[" * 1100, b"- " * 300, b'{"a":' * 1100, b":type :ok",
    b":process 4294967296", b'"process":-1', b'"time":9223372036854775807', b"@", b"\xe2\x80\xa8",
    b"\xd9\xa3", b"\xc2\xb2", b"08", b"40r1", b"\\u12", b"#<", b"true",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, seed: bytes) -> bytes:
    data = seed
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 12)))
        piece = draw(st.sampled_from(SPLICES) | st.binary(max_size=6) | st.just(seed[start:end]))
        data = data[:start] + piece + data[end:]
    if draw(st.integers(0, 5)) == 0:
        data = data[: draw(st.integers(0, len(data)))]
    if draw(st.integers(0, 9)) == 0:
        packed = gzip.compress(data)
        data = packed[: draw(st.integers(2, len(packed)))]
    return data


def survive(path: Path, data: bytes, formats: list[str | None]) -> None:
    path.write_bytes(data)
    for name in formats:
        try:
            loaded = load(path, name)
        except UserError as error:
            assert str(error).startswith(str(path))
            assert "\n" not in str(error)
        else:
            assert [o.index for o in loaded.history] == list(range(len(loaded.history)))
            loaded.history.columns()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "history"


@given(data=st.data(), name=st.sampled_from(sorted(SEEDS)))
@settings(max_examples=400, deadline=None)
def test_mutations(path: Path, data: st.DataObject, name: str) -> None:
    survive(path, data.draw(mutated(SEEDS[name].encode())), [name, None])


@given(data=st.binary(max_size=60))
@settings(max_examples=100, deadline=None)
def test_random_bytes(path: Path, data: bytes) -> None:
    survive(path, data, [None, *FORMATS])


@given(data=st.binary(max_size=60))
@settings(max_examples=40, deadline=None)
def test_random_bytes_behind_the_magic_of_gzip(path: Path, data: bytes) -> None:
    survive(path, b"\x1f\x8b\x08" + data, [None, "jsonl", "jepsen-edn"])


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_the_seeds_load_and_every_truncation_is_survived(path: Path, name: str) -> None:
    data = SEEDS[name].encode()
    path.write_bytes(data)
    assert load(path).format == name
    assert len(load(path).history) > 1
    for cut in range(len(data)):
        survive(path, data[:cut], [name, None])
