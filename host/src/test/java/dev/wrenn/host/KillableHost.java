package dev.wrenn.host;

import dev.wrenn.base.Progress;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.TemplateId;
import dev.wrenn.contract.guest.ProcessStart;
import dev.wrenn.contract.host.CreateCapsule;
import dev.wrenn.contract.host.ProcessDefaults;
import dev.wrenn.host.capsule.PauseStep;
import dev.wrenn.host.capsule.ResumeStep;
import dev.wrenn.host.capsule.Step;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/**
 * A program with a host agent that does what it is told line by line on standard input, to be
 * killed at any moment. Each answer is one line; what was answered was promised.
 *
 * <pre>
 *   create ID | pause ID | resume ID | destroy ID | mark ID TEXT | checkpoint ID NAME
 *   rollback ID NAME | die-at STEP
 * </pre>
 */
final class KillableHost {
    private KillableHost() {}

    public static void main(String[] arguments) throws IOException {
        var faults = new Faults();
        var config = HostLab.configOf(Path.of(arguments[0]));
        var host = Host.open(config, Progress.silent(), faults);
        System.out.println("ready");
        try (var orders =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (var line = orders.readLine(); line != null; line = orders.readLine()) {
                System.out.println(answer(host, faults, line.split(" ", 3)));
            }
        }
        host.close();
    }

    private static String answer(Host host, Faults faults, String[] words) {
        try {
            switch (words[0]) {
                case "create" ->
                        host.create(
                                new CreateCapsule(
                                        new CapsuleId(words[1]),
                                        TemplateId.MINIMAL,
                                        1,
                                        HostLab.MEMORY_MB,
                                        Duration.ZERO,
                                        ProcessDefaults.NONE));
                case "pause" -> host.pause(new CapsuleId(words[1]));
                case "resume" -> host.resume(new CapsuleId(words[1]));
                case "destroy" -> host.destroy(new CapsuleId(words[1]));
                case "checkpoint" ->
                        host.checkpoints().checkpoint(new CapsuleId(words[1]), words[2]);
                case "rollback" -> rollback(host, new CapsuleId(words[1]), words[2]);
                case "mark" -> mark(host, new CapsuleId(words[1]), words[2]);
                case "die-at" -> faults.at(step(words[1]), () -> Runtime.getRuntime().halt(137));
                default -> throw new IllegalArgumentException(words[0]);
            }
            return "done " + String.join(" ", words);
        } catch (WrennException e) {
            return "failed " + e.getMessage();
        }
    }

    private static Step step(String name) {
        return name.startsWith("pause-")
                ? PauseStep.valueOf(name.substring("pause-".length()))
                : ResumeStep.valueOf(name.substring("resume-".length()));
    }

    private static void rollback(Host host, CapsuleId capsule, String name) {
        var found =
                host.checkpoints().history(capsule).checkpoints().stream()
                        .filter(c -> c.name().equals(name))
                        .findFirst();
        host.checkpoints().rollback(capsule, found.orElseThrow().id());
    }

    private static void mark(Host host, CapsuleId capsule, String text) {
        try (var session = host.guest(capsule);
                var process =
                        session.start(
                                ProcessStart.of(
                                        "/bin/sh",
                                        List.of("-c", "echo " + text + " > /run/mark")))) {
            while (process.next().isPresent()) {
                // until it has ended
            }
        }
    }
}
