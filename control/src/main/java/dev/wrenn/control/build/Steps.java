package dev.wrenn.control.build;

import dev.wrenn.base.Stopwatch;
import dev.wrenn.control.build.BuildGuest.Order;
import dev.wrenn.control.build.BuildGuest.Outcome;
import dev.wrenn.control.capsule.TemplateDefaults;
import dev.wrenn.control.http.JsonBody;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Carries out a recipe's steps in a guest, and keeps what they change for those that follow: user,
 * directory, variables.
 */
final class Steps {
    private static final Duration OWN_LIMIT = Duration.ofSeconds(60);

    /** Makes a user unless there is one, and prints its home. */
    private static final String MAKE_USER =
            """
            set -e
            if ! id -u "$1" >/dev/null 2>&1; then
                if command -v useradd >/dev/null; then
                    shell=/bin/bash; [ -x "$shell" ] || shell=/bin/sh
                    useradd --create-home --shell "$shell" "$1"
                elif command -v adduser >/dev/null; then adduser -D "$1"
                else echo 'this image has neither useradd nor adduser' >&2; exit 1
                fi
                if [ -d /etc/sudoers.d ]; then
                    printf '%s ALL=(ALL:ALL) NOPASSWD: ALL\\n' "$1" > "/etc/sudoers.d/$1"
                    chmod 0440 "/etc/sudoers.d/$1"
                fi
            fi
            eval "printf %s ~$1"
            """;

    /** Copies as cp does; into a directory if there are several or the name ends with a slash. */
    private static final String COPY =
            """
            set -e
            user=$1; to=$2; shift 2
            case $to in */) mkdir -p -- "$to";; esac
            if [ $# -gt 1 ]; then mkdir -p -- "$to"; fi
            mkdir -p -- "$(dirname -- "$to")"
            chown -R "$user:" -- "$@"
            cp -a -- "$@" "$to"
            """;

    private final BuildGuest guest;
    private final BuildLog log;
    private final Map<String, String> ambient = new HashMap<>();
    private final Map<String, String> variables;
    private Optional<String> user;
    private Optional<String> directory;

    /**
     * @param base what the template gives that the build starts from
     */
    Steps(BuildGuest guest, BuildLog log, TemplateDefaults base) {
        this.guest = guest;
        this.log = log;
        this.variables = new LinkedHashMap<>(base.environment());
        this.user = base.user();
        this.directory = base.directory();
    }

    /** What the template gives to its capsules, as far as the steps have come. */
    TemplateDefaults defaults(List<String> start) {
        return new TemplateDefaults(variables, user, directory, start);
    }

    /** What later steps build on besides memory and disk. */
    String state() {
        var json = JsonBody.JSON.createObjectNode();
        json.put("defaults", defaults(List.of()).toJson());
        var found = json.putObject("ambient");
        ambient.forEach(found::put);
        return json.toString();
    }

    /** Goes on from what another build came to. */
    void restore(String state) {
        var json = JsonBody.parse(state);
        var then = TemplateDefaults.parse(json.requiredText("defaults"));
        variables.clear();
        variables.putAll(then.environment());
        user = then.user();
        directory = then.directory();
        ambient.clear();
        ambient.putAll(json.variables("ambient"));
    }

    /** Starts the base's own program as its defaults say, unless it has none. */
    void launch(List<String> command) {
        if (!command.isEmpty()) {
            guest.launch(new Order(command, user, directory, variables, OWN_LIMIT));
        }
    }

    /** Learns what programs find in their environment, for values that name it. */
    void readEnvironment() {
        var printed =
                guest.run(new Order(List.of("env"), user, Optional.empty(), variables, OWN_LIMIT));
        if (!printed.isSuccess()) {
            return; // an image without programs has nothing that a value could name
        }
        for (var line : printed.stdout().lines().toList()) {
            int equals = line.indexOf('=');
            if (equals > 0) {
                ambient.put(line.substring(0, equals), line.substring(equals + 1));
            }
        }
    }

    /**
     * Carries out a step.
     *
     * @param number from 1 on
     * @throws BuildFailed if it fails and must not
     */
    void perform(int number, Step step) {
        var watch = Stopwatch.start();
        var outcome = outcome(number, step);
        log.step(number, step, outcome, watch.elapsed());
        if (!outcome.isSuccess() && !step.mayFail()) {
            throw new BuildFailed(
                    "step %d (%s) failed with exit code %d"
                            .formatted(number, shown(step.line()), outcome.exitCode()));
        }
    }

    private static String shown(String line) {
        int most = 80;
        return line.length() <= most ? line : line.substring(0, most) + "...";
    }

    private Outcome outcome(int number, Step step) {
        return switch (step.instruction()) {
            case Instruction.Run(var limit, var command) ->
                    guest.run(
                            shell(step, command, limit.orElse(step.phase().limit())),
                            (channel, text) -> log.output(number, channel, text));
            case Instruction.Start(var command) -> {
                guest.launch(shell(step, "exec >/dev/null 2>&1; " + command, OWN_LIMIT));
                yield Outcome.DONE;
            }
            case Instruction.Env(var name, var value) -> {
                var known = new HashMap<>(ambient);
                known.putAll(variables);
                variables.put(name, Variables.expand(value, known));
                yield Outcome.DONE;
            }
            case Instruction.WorkDir(var path) -> {
                var absolute = absolute(path);
                var made = guest.run(Order.asRoot("mkdir -p -- \"$1\"", OWN_LIMIT, absolute));
                directory = Optional.of(absolute);
                yield made;
            }
            case Instruction.User(var name) -> {
                var made = guest.run(Order.asRoot(MAKE_USER, OWN_LIMIT, name));
                user = Optional.of(name);
                ambient.putAll(Map.of("USER", name, "LOGNAME", name, "HOME", made.stdout()));
                yield new Outcome(made.exitCode(), "", made.stderr());
            }
            case Instruction.Copy(var sources, var destination) -> copy(sources, destination);
        };
    }

    private Order shell(Step step, String command, Duration limit) {
        boolean isAfter = step.phase() == Step.Phase.POST_BUILD;
        return new Order(
                List.of("/bin/sh", "-c", command),
                isAfter ? Optional.of("root") : user,
                isAfter ? Optional.of("/") : directory,
                variables,
                limit);
    }

    private Outcome copy(List<String> sources, String destination) {
        var parameters = new ArrayList<>(List.of(user.orElse("root"), absolute(destination)));
        sources.forEach(source -> parameters.add(BuildGuest.FILES + "/" + source));
        return guest.run(Order.asRoot(COPY, OWN_LIMIT, parameters.toArray(String[]::new)));
    }

    private String absolute(String path) {
        if (path.startsWith("/")) {
            return path;
        }
        var from = directory.orElseGet(() -> ambient.getOrDefault("HOME", "/"));
        return (from.endsWith("/") ? from : from + "/") + path;
    }
}
