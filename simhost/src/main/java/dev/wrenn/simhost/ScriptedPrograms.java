package dev.wrenn.simhost;

import dev.wrenn.base.Loop;
import dev.wrenn.contract.guest.ProcessEvent.Channel;
import dev.wrenn.contract.guest.ProcessStart;
import dev.wrenn.contract.guest.PtySize;
import dev.wrenn.contract.guest.Signal;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Programs that are written in the test: nothing of the machine is ever run. A command without a
 * script ends with 127, as a shell does.
 */
public final class ScriptedPrograms implements Programs {
    private static final int NOT_FOUND = 127;
    private static final int FIRST_PID = 100;

    private final Map<String, Script> scripts;
    private final AtomicInteger pids = new AtomicInteger(FIRST_PID);

    /** What a command does; its result is the exit code. */
    @FunctionalInterface
    public interface Script {
        /** Runs on a thread of its own; a signal interrupts it. */
        int run(Console console) throws InterruptedException;
    }

    /** Scripts by the name of their command. */
    public ScriptedPrograms(Map<String, Script> scripts) {
        this.scripts = Map.copyOf(scripts);
    }

    /** What a script sees of the world. */
    public static final class Console {
        private final ProcessStart order;
        private final Output output;
        private final LinkedBlockingQueue<byte[]> input = new LinkedBlockingQueue<>();

        private Console(ProcessStart order, Output output) {
            this.order = order;
            this.output = output;
        }

        /** The order it was started with. */
        public ProcessStart order() {
            return order;
        }

        /** Its arguments. */
        public List<String> arguments() {
            return order.arguments();
        }

        /** Writes one chunk; with a terminal everything goes there. */
        public void write(Channel channel, byte[] bytes) {
            output.wrote(order.pty().isPresent() ? Channel.PTY : channel, bytes);
        }

        /** Writes a text to standard output as one chunk. */
        public void print(String text) {
            write(Channel.STDOUT, text.getBytes(StandardCharsets.UTF_8));
        }

        /** Waits for what is typed next. */
        public byte[] read() throws InterruptedException {
            return input.take();
        }
    }

    @Override
    public Running start(ProcessStart order, Surroundings surroundings, Output output) {
        var console = new Console(order, output);
        var script = scripts.getOrDefault(order.command(), ScriptedPrograms::unknown);
        return new Run(pids.incrementAndGet(), console, script, output);
    }

    private static int unknown(Console console) {
        var message = console.order().command() + ": not found\n";
        console.write(Channel.STDERR, message.getBytes(StandardCharsets.UTF_8));
        return NOT_FOUND;
    }

    private static final class Run implements Running {
        private final int pid;
        private final Console console;
        private final Loop thread;

        Run(int pid, Console console, Script script, Output output) {
            this.pid = pid;
            this.console = console;
            this.thread =
                    Loop.once(
                            "sim-script-" + pid,
                            () -> {
                                int code;
                                try {
                                    code = script.run(console);
                                } catch (InterruptedException _) {
                                    code = -1;
                                }
                                output.ended(code, code < 0 ? "signal" : "exit status " + code);
                            });
        }

        @Override
        public int pid() {
            return pid;
        }

        @Override
        public void signal(Signal signal) {
            thread.close();
        }

        @Override
        public void type(byte[] input) {
            console.input.add(input);
        }

        @Override
        public void resize(PtySize size) {
            // a script does not ask for the size of its terminal
        }

        @Override
        public void freeze() {
            // a script waits for input or a signal, and neither comes while it is frozen
        }

        @Override
        public void thaw() {
            // see freeze
        }

        @Override
        public void vanish() {
            thread.close();
        }
    }
}
