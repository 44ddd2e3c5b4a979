package dev.wrenn.base;

/**
 * Told how far a long piece of work is, so that whoever waits can see it.
 *
 * <p>Implementations are thread-safe and never throw: showing progress must not change the outcome
 * of the work.
 */
@FunctionalInterface
public interface Progress {
    /** One step that is under way; closing it without {@link #done} says that it did not finish. */
    interface Step extends Resource {
        /** More of the step's units are done. */
        void advance(long units);

        /** The number of units became known, or changed. */
        void expect(long totalUnits);

        /** The step finished. */
        void done();
    }

    /**
     * A step begins.
     *
     * @param step what is being done, in words for people
     * @param totalUnits how many units it has; 0 if nobody knows
     */
    Step start(String step, long totalUnits);

    /** Tells nobody. */
    static Progress silent() {
        return (_, _) ->
                new Step() {
                    @Override
                    public void advance(long units) {}

                    @Override
                    public void expect(long totalUnits) {}

                    @Override
                    public void done() {}

                    @Override
                    public void close() {}
                };
    }
}
