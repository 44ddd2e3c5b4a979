package dev.wrenn.host.capsule;

/**
 * A place between two steps of a path at which the host agent may fail or be killed; each one must
 * leave nothing behind. Adding one to the enums adds it to the tests of all of them.
 */
public sealed interface Step permits ResumeStep, PauseStep {

    /** Told of each step just before it is taken; what it throws is that step's failure. */
    @FunctionalInterface
    interface Observer {
        /** What production uses. */
        Observer NONE = _ -> {};

        /** That step comes next. */
        void before(Step step);
    }
}
