package dev.wrenn.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** Which commands a line of words builds. */
class MainTest {
    private static final int MISUSED = 2;

    private static CommandLine below(CommandLine line, String name) {
        return Objects.requireNonNull(line.getSubcommands().get(name), name);
    }

    private record Answer(int exitCode, String out, String err) {}

    private static Answer ask(String... words) {
        var out = new StringWriter();
        var err = new StringWriter();
        int code =
                Main.line(List.of(words))
                        .setOut(new PrintWriter(out))
                        .setErr(new PrintWriter(err))
                        .execute(words);
        return new Answer(code, out.toString(), err.toString());
    }

    @Test
    void a_line_builds_only_the_commands_that_it_names() {
        for (var words : List.of(List.of("capsule", "list"), List.of("c", "ls", "--json"))) {
            var line = Main.line(words);

            assertThat(line.getSubcommands()).containsOnlyKeys("capsule", "c");
            assertThat(below(line, "capsule").getSubcommands()).containsOnlyKeys("list", "ls");
        }
    }

    @Test
    void what_no_command_is_named_by_is_answered_with_all_that_there_are() {
        assertThat(ask("--help").out()).contains("capsule, c", "template, t", "completion");
        assertThat(ask("capsule", "--help").out()).contains("list, ls", "checkpoints", "rollback");
        assertThat(ask("capsul"))
                .satisfies(
                        answer -> assertThat(answer.exitCode()).isEqualTo(MISUSED),
                        answer -> assertThat(answer.err()).contains("Did you mean: wrenn capsule"));
        assertThat(ask("capsule", "pauze"))
                .satisfies(
                        answer -> assertThat(answer.exitCode()).isEqualTo(MISUSED),
                        answer -> assertThat(answer.err()).contains("Did you mean: capsule pause"));
    }

    @Test
    void a_completion_is_of_all_commands() {
        var line = Main.line(List.of("completion"));

        assertThat(line.getSubcommands()).containsKeys("up", "capsule", "template", "completion");
        assertThat(below(line, "capsule").getSubcommands()).containsKeys("exec", "usage");
    }

    @Test
    void words_behind_the_capsule_belong_to_the_command_that_is_run_in_it() {
        for (var name : List.of("exec", "shell")) {
            var parsed = Main.line(List.of("c", name)).parseArgs("c", name, "cl-1", "ls", "--json");

            assertThat(parsed.subcommand().subcommand().originalArgs()).contains("--json");
            assertThat(parsed.subcommand().subcommand().hasMatchedOption("--json")).isFalse();
        }
    }

    @Test
    void every_command_explains_itself_and_is_found_by_the_names_of_its_annotation() {
        var commands = new ArrayList<CommandLine>();
        collect(Main.line(List.of()), commands);

        assertThat(commands).hasSizeGreaterThan(30);
        for (var command : commands) {
            var spec = command.getCommandSpec();
            assertThat(spec.usageMessage().description()).as(spec.qualifiedName()).isNotEmpty();
            assertThat(command.getUsageMessage()).contains("Usage: " + spec.qualifiedName());
            assertThat(spec.mixinStandardHelpOptions() || spec.usageMessage().hidden())
                    .as(spec.qualifiedName() + " --help")
                    .isTrue();
        }
    }

    private static void collect(CommandLine line, List<CommandLine> commands) {
        for (var entry : line.getSubcommands().entrySet()) {
            var spec = entry.getValue().getCommandSpec();
            var declared = spec.userObject().getClass().getAnnotation(CommandLine.Command.class);
            if (declared != null) {
                assertThat(entry.getKey()).isIn(namesOf(declared));
            }
            commands.add(entry.getValue());
            collect(entry.getValue(), commands);
        }
    }

    private static List<String> namesOf(CommandLine.Command declared) {
        var names = new ArrayList<>(List.of(declared.aliases()));
        names.add(declared.name());
        return names;
    }
}
