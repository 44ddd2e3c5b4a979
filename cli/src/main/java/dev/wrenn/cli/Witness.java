package dev.wrenn.cli;

import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * A program in a capsule that can tell whether it was really paused and resumed: it counts, holds
 * 64 MiB of a pattern that both sides can compute, and knows which run of it this is.
 */
final class Witness {
    static final String FILE = "/root/witness.py";

    /** Ends on standard output's side with the three words of {@link Testimony}. */
    static final String PROGRAM =
            """
            import hashlib, os, signal, time, uuid

            run = uuid.uuid4().hex
            count = 0
            memory = b""

            def testify(*_):
                with open("/tmp/testimony.new", "w") as file:
                    file.write("%s %d %s" % (run, count, hashlib.sha256(memory).hexdigest()))
                os.rename("/tmp/testimony.new", "/tmp/testimony")

            signal.signal(signal.SIGUSR1, testify)
            block = b"".join(hashlib.sha256(b"wrenn %d" % i).digest() for i in range(32768))
            memory = b"".join(n.to_bytes(8, "big") + block[8:] for n in range(64))
            open("/tmp/ready", "w").close()
            while True:
                count += 1
                time.sleep(0.01)
            """;

    private static final int BLOCK_HASHES = 32_768;
    private static final int HASH_BYTES = 32;
    private static final int BLOCKS = 64;

    private Witness() {}

    /**
     * What the program says when it is asked.
     *
     * @param run differs for each start of the program
     * @param count grows while it runs
     * @param checksum SHA-256 of the 64 MiB, hexadecimal
     */
    record Testimony(String run, long count, String checksum) {
        static Testimony parse(String text) {
            var words = text.strip().split(" ", -1);
            if (words.length != 3) {
                throw new WrennException(
                        Kind.UNAVAILABLE, "the witness said \"%s\"".formatted(text.strip()));
            }
            return new Testimony(words[0], Long.parseLong(words[1]), words[2]);
        }
    }

    /** Shell line that waits until the pattern is in memory. */
    static String awaitReady() {
        return "n=0; until [ -e /tmp/ready ]; do n=$((n+1)); [ $n -lt 1200 ] || exit 1; sleep 0.05;"
                + " done";
    }

    /** Shell line that asks the program and prints what it says. */
    static String ask(long pid) {
        return ("rm -f /tmp/testimony; kill -USR1 %d || exit 1; n=0; until [ -e /tmp/testimony ]; do"
                        + " n=$((n+1)); [ $n -lt 600 ] || exit 1; sleep 0.05; done; cat"
                        + " /tmp/testimony")
                .formatted(pid);
    }

    /** The checksum that the pattern must have, computed on this side. */
    static String expectedChecksum() {
        try {
            var sha = MessageDigest.getInstance("SHA-256");
            var block = ByteBuffer.allocate(BLOCK_HASHES * HASH_BYTES);
            for (int i = 0; i < BLOCK_HASHES; i++) {
                block.put(sha.digest(("wrenn " + i).getBytes(StandardCharsets.UTF_8)));
            }
            for (long n = 0; n < BLOCKS; n++) {
                block.putLong(0, n);
                sha.update(block.array());
            }
            return HexFormat.of().formatHex(sha.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new WrennException(Kind.BUG, "every JDK has SHA-256", e);
        }
    }
}
