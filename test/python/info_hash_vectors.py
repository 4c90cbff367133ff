"""Recomputes the info hash of every torrent in fixtures/vectors, sharing no code with Pieza.

Run: python3 test/python/info_hash_vectors.py [FOLDER]. Prints a line for each vector; exits 1 if one differs.
Standard library only.
"""

import hashlib
import json
import pathlib
import sys


def canonical(value) -> str:
    """RFC 8785 for what an identity holds: text, whole numbers, lists and objects with ASCII keys."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def info_hash(torrent: dict) -> str:
    pieces = sorted(torrent["pieces"], key=lambda piece: piece["number"])
    identity = {
        "file_name": torrent["file_name"],
        "pieces": [piece["hash"].lower() for piece in pieces],
    }
    for field in ("length", "piece_length"):
        if field in torrent:
            identity[field] = torrent[field]
    if "files" in torrent:
        identity["files"] = [{"path": file["path"], "length": file["length"]} for file in torrent["files"]]
    return hashlib.sha256(canonical(identity).encode("utf-8")).hexdigest()


def main() -> int:
    default = pathlib.Path(__file__).resolve().parents[2] / "fixtures" / "vectors"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    expected = json.loads((folder / "info-hashes.json").read_text(encoding="utf-8"))
    wrong = 0
    for name, want in expected.items():
        got = info_hash(json.loads((folder / name).read_text(encoding="utf-8")))
        wrong += got != want
        print(f"{'ok' if got == want else 'WRONG'} {name} {got}")
    return 1 if wrong or not expected else 0


if __name__ == "__main__":
    sys.exit(main())
