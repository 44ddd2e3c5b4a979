package dev.wrenn.control.build;

import java.time.Duration;
import java.util.List;
import java.util.Locale;

/**
 * One step of a build.
 *
 * @param line as it is shown
 */
record Step(Phase phase, String line) {
    /** Where in the build a step is. */
    enum Phase {
        /** Before the recipe. */
        PRE_BUILD(Duration.ofMinutes(10)),
        /** The recipe. */
        RECIPE(Duration.ofSeconds(30)),
        /** After the recipe, as the superuser. */
        POST_BUILD(Duration.ofMinutes(10));

        private final Duration limit;

        Phase(Duration limit) {
            this.limit = limit;
        }

        /** Time a command may take that does not say. */
        Duration limit() {
            return limit;
        }

        /** As it is written. */
        String wire() {
            return name().toLowerCase(Locale.ROOT).replace('_', '-');
        }
    }

    private static final String UPDATE =
            "RUN if command -v apt-get >/dev/null; then apt-get update; fi";

    /** What every recipe finds done. */
    static final List<Step> BEFORE =
            List.of(
                    new Step(Phase.PRE_BUILD, UPDATE),
                    new Step(Phase.PRE_BUILD, "USER wrenn-user"),
                    new Step(Phase.PRE_BUILD, "WORKDIR /home/wrenn-user"));

    /** What is cleared away after every recipe. */
    static final List<Step> AFTER =
            List.of(
                    after("if command -v apt-get >/dev/null; then apt-get clean; fi"),
                    after("if command -v apt-get >/dev/null; then apt-get -y autoremove; fi"),
                    after("rm -rf /var/lib/apt/lists/*"),
                    after("rm -rf " + BuildGuest.FILES));

    /** The step that pulls an image; it is no instruction. */
    static Step from(String image) {
        return new Step(Phase.PRE_BUILD, "FROM " + image);
    }

    /** The step that makes the disk of a stock template; it is no instruction. */
    static Step disk(String name) {
        return new Step(Phase.PRE_BUILD, "DISK " + name);
    }

    /** The step that boots a shape; it is no instruction. */
    static Step boot(int vcpus, int memoryMb) {
        return new Step(Phase.POST_BUILD, "BOOT %d vCPU, %d MiB".formatted(vcpus, memoryMb));
    }

    private static Step after(String command) {
        return new Step(Phase.POST_BUILD, "RUN " + command);
    }

    boolean isFrom() {
        return phase == Phase.PRE_BUILD && line.startsWith("FROM ");
    }

    Instruction instruction() {
        return Instruction.parse(line);
    }

    /**
     * Whether the build goes on if it fails: without a package index a recipe that installs nothing
     * works, and one that does says itself what it lacks.
     */
    boolean mayFail() {
        return phase == Phase.PRE_BUILD && line.equals(UPDATE);
    }
}
