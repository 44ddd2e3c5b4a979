"""What capsules hold: content that follows from a number, so that a model knows its hash."""

import hashlib
import random
from functools import cache

# Runs in the guest. Memory is that of a process that lives as long as its capsule. It acts on
# signals, one after the other: USR1 fills the memory for the number in /run/wanted, each signal
# then tells in /run/held what the memory holds, with the word from /run/nonce. Each file appears
# as a whole or not at all.
CONTENT = """
import hashlib, mmap, os, random, signal, sys
SIZE = 6 << 20
def content(number):
    source = random.Random(number)
    made = bytearray(source.randbytes(SIZE))
    at = source.randrange(SIZE // 2)
    made[at:at + SIZE // 4] = bytes(SIZE // 4)
    return bytes(made)
def put(path, data):
    with open(path + '.new', 'wb') as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + '.new', path)
"""

HOLDER = """
signals = {signal.SIGUSR1, signal.SIGUSR2}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
memory = mmap.mmap(-1, SIZE)
held = -1
put('/run/holder', str(os.getpid()).encode())
while True:
    if signal.sigwait(signals) == signal.SIGUSR1:
        held = int(open('/run/wanted').read())
        memory[:] = content(held)
    nonce = open('/run/nonce').read().strip()
    put('/run/held', f'{nonce} {held} {hashlib.sha256(memory).hexdigest()}\\n'.encode())
"""

DISK = """
put('/root/disk', sys.argv[1].encode() + b'\\n' + content(int(sys.argv[1])))
"""

LOOK = """
number, data = open('/root/disk', 'rb').read().split(b'\\n', 1)
print(number.decode(), hashlib.sha256(data).hexdigest())
"""

_TELL = (
    "echo {nonce} > /run/nonce; kill -{signal} $(cat /run/holder);"
    " n=0; until [ \"$(cut -d' ' -f1 /run/held 2>/dev/null)\" = {nonce} ];"
    " do n=$((n+1)); [ $n -lt 1200 ] || exit 9; sleep 0.05; done;"
)


def _locked(script: str) -> str:
    """One after the other, also with a line whose caller is gone."""
    return f"exec 9> /run/lock; flock 9; {script}"


def set_up() -> str:
    """Puts the programs into a guest and starts the one that holds memory."""
    files = {"holder": CONTENT + HOLDER, "disk": CONTENT + DISK, "look": CONTENT + LOOK}
    puts = "".join(f"cat > /root/{name}.py <<'END'\n{text}END\n" for name, text in files.items())
    return (
        puts
        + "setsid python3 /root/holder.py </dev/null >/root/holder.log 2>&1 9>&- &\n"
        + "n=0; until [ -e /run/holder ]; do n=$((n+1)); [ $n -lt 1200 ] || exit 9; sleep 0.05; done\n"
    )


def write(number: int, nonce: str) -> str:
    """Fills memory first, then the file."""
    return _locked(
        f"echo {number} > /run/wanted.new; mv /run/wanted.new /run/wanted;"
        + _TELL.format(nonce=nonce, signal="USR1")
        + f" python3 /root/disk.py {number}"
    )


def look(nonce: str) -> str:
    """Prints what memory and file hold, a line each: number and hash."""
    return _locked(
        _TELL.format(nonce=nonce, signal="USR2")
        + " cut -d' ' -f2- /run/held; python3 /root/look.py"
    )


@cache
def digest(number: int) -> str:
    """The hash of what belongs to a number."""
    names: dict[str, object] = {}
    exec(CONTENT, names)  # the guest's own words, so that both make the same
    content = names["content"]
    assert callable(content)
    return hashlib.sha256(content(number)).hexdigest()
