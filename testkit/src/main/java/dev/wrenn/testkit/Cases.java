package dev.wrenn.testkit;

import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Function;

/**
 * Generated cases for property tests: small ones first, each from a seed of its own that the
 * failure names. {@code -Dwrenn.seed=N} runs that one case again.
 */
public final class Cases {
    private static final String SEED = "wrenn.seed";

    private Cases() {}

    /** A property of generated values. */
    @FunctionalInterface
    public interface Property {
        /** Throws if it does not hold for what is drawn from the case. */
        void check(Case source) throws Exception;
    }

    /** One case: a source of values that grow with its number. */
    public static final class Case {
        private final Random random;
        private final int size;

        Case(long seed) {
            // The size travels in the seed's low byte, so that the seed alone repeats the case.
            this.random = new Random(seed);
            this.size = 1 + (int) (seed & 0xff);
        }

        /** How large collections of this case may become, 1 to 256. */
        public int size() {
            return size;
        }

        /** The source itself, for generators of one's own. */
        public Random random() {
            return random;
        }

        /** A number from low to high, both possible. */
        public int between(int low, int high) {
            return Math.toIntExact(between((long) low, high));
        }

        /** A number from low to high, both possible; the bounds themselves come up often. */
        public long between(long low, long high) {
            if (low > high) {
                throw new IllegalArgumentException("no number from " + low + " to " + high);
            }
            return switch (random.nextInt(16)) {
                case 0 -> low;
                case 1 -> high;
                default ->
                        high == Long.MAX_VALUE
                                ? random.nextLong(low, high)
                                : random.nextLong(low, high + 1);
            };
        }

        /** True about once in so many times. */
        public boolean oneIn(int times) {
            return random.nextInt(times) == 0;
        }

        /** One of them. */
        public <T> T pick(List<T> choices) {
            return choices.get(random.nextInt(choices.size()));
        }

        /** That many random bytes. */
        public byte[] bytes(int length) {
            var bytes = new byte[length];
            random.nextBytes(bytes);
            return bytes;
        }

        /** Printable and not so printable characters, up to the case's size. */
        public String text() {
            var text = new StringBuilder();
            int length = random.nextInt(size + 1);
            for (int i = 0; i < length; i++) {
                text.appendCodePoint(
                        oneIn(8) ? random.nextInt(0x20, 0x3000) : random.nextInt(0x20, 0x7f));
            }
            return text.toString();
        }

        /** A list of up to the case's size. */
        public <T> List<T> list(Function<Case, T> element) {
            var list = new ArrayList<T>();
            int length = random.nextInt(size + 1);
            for (int i = 0; i < length; i++) {
                list.add(element.apply(this));
            }
            return list;
        }
    }

    /** Checks the property in that many cases, the sizes growing to 256. */
    public static void check(int count, Property property) {
        var repeated = Long.getLong(SEED);
        if (repeated != null) {
            checkOne(repeated, property);
            return;
        }
        var seeds = new SecureRandom();
        for (int i = 0; i < count; i++) {
            long size = Math.min(255, 256L * i / Math.max(1, count - 1));
            checkOne((seeds.nextLong() & ~0xffL) | size, property);
        }
    }

    private static void checkOne(long seed, Property property) {
        try {
            property.check(new Case(seed));
        } catch (Exception | AssertionError e) {
            throw new AssertionError(
                    "fails for a generated case; repeat it with -D%s=%d".formatted(SEED, seed), e);
        }
    }
}
