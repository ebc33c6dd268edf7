"""Checks Scottie's files with nothing of Scottie: python independent.py FILE... (docs/RECORD.md prints this program).

An attempt: form, chain, signature. A signed document (key card, battery, root, ...): form and signature; a root also its
Merkle tree. A proof (main.py battery prove): inclusion or consistency. It does not replay: that takes the simulator.
"""

import hashlib
import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def canonical(value):  # RFC 8785, as far as these files go: no fractions, ASCII keys
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha(data):
    return hashlib.sha256(data).digest()


def signed(body, prefix):
    signature, key = bytes.fromhex(body.pop("signature")), bytes.fromhex(body["public_key"])
    Ed25519PublicKey.from_public_bytes(key).verify(signature, prefix + canonical(body))
    return f"signed by {sha(key).hex()[:32]}"


def attempt(data):
    version = b"%d" % json.loads(data[: data.index(b"\n")])["header"]["version"]
    head = sha(b"scottie-attempt/" + version)
    for raw in data[:-1].split(b"\n"):
        line = json.loads(raw)
        assert canonical(line) == raw, "not canonical"
        before, claimed = head, line.pop("h")
        head = sha(before + canonical(line))
        assert claimed == head.hex(), "chain broken"
    seal = line["seal"]
    said = signed(seal, b"scottie-attempt-seal/" + version + b"\n")
    assert seal["root"] == before.hex(), "the seal is of another file"
    assert seal["lines"] == data.count(b"\n") - 1, "lines missing"
    return f"attempt {seal['root']}: chain and signature hold, {said}"


def tree(leaves):  # RFC 6962, 2.1
    if len(leaves) < 2:
        return sha(b"\0" + leaves[0]) if leaves else sha(b"")
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\1" + tree(leaves[:k]) + tree(leaves[k:]))


def document(body):
    said = signed(body, f"{body['format']}/{body['version']}\n".encode())
    if body["format"] == "scottie-root":
        assert tree([bytes.fromhex(leaf) for leaf in body["leaves"]]).hex() == body["root"], "another tree"
    return f"{body['format']}: {said}"


def climb(path, fn, sn, old, new):  # RFC 9162, 2.1.3.2 and 2.1.4.2; `old` goes along for consistency
    for step in path:
        assert sn, "proof too long"
        if fn & 1 or fn == sn:
            old, new = sha(b"\1" + step + old), sha(b"\1" + step + new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = sha(b"\1" + new + step)
        fn, sn = fn >> 1, sn >> 1
    assert sn == 0, "proof too short"
    return old, new


def proof(body):
    path = [bytes.fromhex(step) for step in body["path"]]
    if "leaf" in body:
        assert 0 <= body["index"] < body["size"], "no such leaf"
        leaf = sha(b"\0" + bytes.fromhex(body["leaf"]))
        assert climb(path, body["index"], body["size"] - 1, leaf, leaf)[1].hex() == body["root"], "not in the tree"
        return f"the tree {body['root']} holds the record {body['leaf']}"
    fn, sn, old = body["old_size"] - 1, body["new_size"] - 1, bytes.fromhex(body["old_root"])
    assert 0 <= fn <= sn, "sizes"
    if fn == sn:
        assert not path and body["old_root"] == body["new_root"], "not consistent"
        return "the two trees are the same"
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    first = path.pop(0) if path and body["old_size"] & body["old_size"] - 1 else old
    found = climb(path, fn, sn, first, first)
    assert [one.hex() for one in found] == [body["old_root"], body["new_root"]], "not consistent"
    return f"the tree {body['new_root']} only adds to {body['old_root']}"


for name in sys.argv[1:]:
    data = Path(name).read_bytes()
    assert data.endswith(b"\n"), "cut short"
    if data.startswith(b'{"h":'):
        print(attempt(data))
        continue
    body = json.loads(data)
    if "format" in body:
        assert canonical(body) + b"\n" == data, "not canonical"
    print(document(body) if "format" in body else proof(body))
