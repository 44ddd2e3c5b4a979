package dev.wrenn.host.image;

import dev.wrenn.base.Command;
import java.time.Duration;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Where this machine gets Debian from: its own apt configuration, in whatever format and behind
 * whatever mirror or proxy.
 *
 * @param codename the release, such as {@code bookworm}
 * @param lines one-line sources of Debian itself; third-party sources are left out
 * @param transport settings that reaching the mirror needs, as {@code name "value";}
 */
record AptSources(String codename, List<String> lines, List<String> transport) {
    private static final Pattern SUITE_OF_UPDATES = Pattern.compile("-(updates|security)$");
    private static final Pattern TRANSPORT =
            Pattern.compile(
                    "Acquire::(https?|ftp|Retries|Check-Valid-Until|Check-Date)(::.*)? \".+\";");
    private static final Pattern FRESHNESS =
            Pattern.compile("Acquire::Check-(Valid-Until|Date) .*");
    private static final Pattern CREDENTIALS = Pattern.compile("://[^/@ ]*@");

    /** Reads apt's own view of its sources. */
    static AptSources ofThisMachine() {
        var targets = targets();
        if (targets.isEmpty()) {
            Command.of("apt-get", "-q", "update").within(Duration.ofMinutes(30)).run();
            targets = targets();
        }
        var codename =
                targets.stream()
                        .map(target -> target.substring(target.lastIndexOf('|') + 1))
                        .filter(suite -> !SUITE_OF_UPDATES.matcher(suite).find())
                        .findFirst()
                        .orElseThrow(() ->
                                new GuestImageFailed(
                                        "the apt sources of this machine name no Debian"
                                                + " release; `apt-get update` must work"));
        var lines =
                targets.stream()
                        .filter(target ->
                                target.substring(target.lastIndexOf('|') + 1).startsWith(codename))
                        .map(target -> target.substring(0, target.lastIndexOf('|')))
                        .distinct()
                        .toList();
        var transport =
                Command.of("apt-config", "dump")
                        .run()
                        .stdout()
                        .lines()
                        .filter(line -> TRANSPORT.matcher(line).matches())
                        .toList();
        return new AptSources(codename, lines, transport);
    }

    private static List<String> targets() {
        return Command.of(
                        "apt-get",
                        "indextargets",
                        "Created-By: Packages",
                        "Origin: Debian",
                        "--format",
                        "deb $(REPO_URI) $(RELEASE) $(COMPONENT)|$(CODENAME)")
                .run()
                .stdout()
                .lines()
                .filter(line -> !line.isBlank())
                .distinct()
                .toList();
    }

    /** The sources without passwords, for a file that strangers will read. */
    String linesWithoutCredentials() {
        return CREDENTIALS.matcher(String.join("\n", lines)).replaceAll("://") + "\n";
    }

    /** An archived mirror is stale for guests just as it is for us. */
    List<String> freshness() {
        return transport.stream().filter(line -> FRESHNESS.matcher(line).matches()).toList();
    }
}
