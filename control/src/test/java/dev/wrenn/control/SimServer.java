package dev.wrenn.control;

import dev.wrenn.base.UndoStack;
import dev.wrenn.contract.guest.ProcessEvent.Channel;
import dev.wrenn.control.capsule.ControlConfig;
import dev.wrenn.simhost.ScriptedPrograms;
import dev.wrenn.simhost.SimHost;
import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Map;

/**
 * The API with a simulated host behind it, for programs that try it out from the outside. Serves in
 * the folder that its argument names, says on standard output where, and ends with its input. No
 * program of the machine is ever run.
 */
final class SimServer {
    private SimServer() {}

    public static void main(String[] arguments) throws IOException {
        var programs =
                new ScriptedPrograms(
                        Map.of(
                                "echo",
                                console -> {
                                    console.print(String.join(" ", console.arguments()) + "\n");
                                    return 0;
                                },
                                "bytes",
                                console -> {
                                    console.write(Channel.STDERR, new byte[] {(byte) 0xff, 0});
                                    return 1;
                                },
                                "cat",
                                console -> {
                                    console.read();
                                    return 0;
                                }));
        var limits = new ControlConfig(8, 128, 16_384, 30L * 24 * 3600, 100_000, 1 << 20);
        try (var undo = new UndoStack()) {
            var postgres = undo.hold(Postgres.start());
            var database = undo.hold(Database.open(postgres.newDatabase()));
            var host =
                    undo.hold(new SimHost(Path.of(arguments[0]), programs, InstantSource.system()));
            var control =
                    undo.hold(
                            ControlPlane.start(
                                    limits,
                                    database,
                                    host,
                                    InstantSource.system(),
                                    "127.0.0.1",
                                    0));
            System.out.printf(
                    "http://127.0.0.1:%d %s%n", control.port(), control.createKey("try").reveal());
            System.out.flush();
            while (System.in.read() >= 0) {
                // until whoever started it has gone
            }
        }
    }
}
