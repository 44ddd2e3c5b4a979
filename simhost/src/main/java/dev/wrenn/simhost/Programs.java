package dev.wrenn.simhost;

import dev.wrenn.contract.guest.ProcessEvent.Channel;
import dev.wrenn.contract.guest.ProcessStart;
import dev.wrenn.contract.guest.PtySize;
import dev.wrenn.contract.guest.Signal;
import java.nio.file.Path;
import java.util.Map;

/** What happens when a simulated guest is told to run a program. */
public interface Programs {
    /**
     * Starts a program.
     *
     * @param output takes what it writes, then its end; called by any thread
     */
    Running start(ProcessStart order, Surroundings surroundings, Output output);

    /**
     * Where a program runs.
     *
     * @param home folder of the guest's root user
     * @param directory working directory
     * @param environment all its variables
     */
    record Surroundings(Path home, Path directory, Map<String, String> environment) {
        /** Copies the map. */
        public Surroundings {
            environment = Map.copyOf(environment);
        }
    }

    /** Takes what a program does. */
    interface Output {
        /** It wrote; returns when every reader has room. */
        void wrote(Channel channel, byte[] bytes);

        /** It ended; nothing comes after this. */
        void ended(int exitCode, String status);
    }

    /** A program that was started. */
    interface Running {
        /** Its process id. */
        int pid();

        /** Signals it and all it started. */
        void signal(Signal signal);

        /** Types into its terminal. */
        void type(byte[] input);

        /** Changes the size of its terminal. */
        void resize(PtySize size);

        /** Stops it where it is, as a pause does. */
        void freeze();

        /** Lets it go on, as a resume does. */
        void thaw();

        /** Ends it and whatever it left behind, as the end of a VM does. */
        void vanish();
    }
}
