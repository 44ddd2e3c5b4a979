package dev.wrenn.host;

import dev.wrenn.contract.CapsuleId;

/**
 * A process in a guest that holds memory and does with it what it is told through a file; it lives
 * as long as the capsule, so it is what a pause must bring back.
 */
record GuestMemory(HostLab lab, CapsuleId capsule) {
    private static final String PROGRAM =
            """
            import mmap, os, sys, time, zlib
            size = int(sys.argv[1]) << 20
            memory = mmap.mmap(-1, size)
            def fill(at, length):
                base = os.urandom(4080)
                start = time.time_ns()
                for page in range(at >> 12, (at + length) >> 12):
                    memory[page << 12:(page + 1) << 12] = base + (start + page).to_bytes(16, 'big')
            os.mkfifo('/run/ask'); os.mkfifo('/run/answer')
            while True:
                with open('/run/ask') as f: words = f.read().split()
                if words[0] != 'look':
                    at, length = int(words[1]) << 20, int(words[2]) << 20
                if words[0] == 'fill': fill(at, length)
                if words[0] == 'zero': memory[at:at + length] = bytes(length)
                sum = zlib.crc32(memory)
                answer = ('zero ' if memory[:1 << 20] == bytes(1 << 20) else 'filled ') + str(sum)
                with open('/run/answer', 'w') as f: f.write(answer)
            """;

    static GuestMemory start(HostLab lab, CapsuleId capsule, int mib) {
        lab.write(capsule, "/run/memory.py", PROGRAM);
        lab.shell(
                capsule,
                "setsid python3 /run/memory.py %d </dev/null >/run/memory.log 2>&1 &".formatted(mib)
                        + " until [ -p /run/answer ]; do sleep 0.05; done");
        return new GuestMemory(lab, capsule);
    }

    private String ask(String question) {
        return lab.shell(capsule, "echo '" + question + "' >/run/ask; cat /run/answer");
    }

    /** Returns the checksum then. */
    String fill(int fromMib, int mib) {
        return ask("fill %d %d".formatted(fromMib, mib));
    }

    void zero(int fromMib, int mib) {
        ask("zero %d %d".formatted(fromMib, mib));
    }

    boolean startsWithZeroes() {
        return ask("look").startsWith("zero");
    }

    String checksum() {
        return ask("look");
    }
}
