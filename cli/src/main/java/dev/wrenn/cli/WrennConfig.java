package dev.wrenn.cli;

import dev.wrenn.base.ConfigSource;
import dev.wrenn.base.Secret;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * All settings of one Wrenn.
 *
 * @param listen where the server listens
 * @param databaseUrl an external PostgreSQL; none means the embedded one
 * @param effective every setting as it came out, secrets hidden, for the log
 */
record WrennConfig(
        ListenAddress listen, Optional<Secret> databaseUrl, Map<String, String> effective) {
    private static final List<String> SECTIONS = List.of("server", "database", "host", "limits");

    /** Variables with names of their own. */
    private static final Map<String, String> ALIASES =
            Map.of("WRENN_LISTEN", "server.listen", "DATABASE_URL", "database.url");

    /**
     * Reads them.
     *
     * @throws dev.wrenn.base.ConfigInvalid with all problems at once
     */
    static WrennConfig read(
            Map<String, String> flags,
            Map<String, String> environment,
            Path file,
            Optional<String> fileText) {
        var layers = new ArrayList<ConfigSource.Layer>();
        layers.add(new ConfigSource.Layer("command line", flags));
        layers.add(ConfigSource.environment(environment, SECTIONS, ALIASES));
        fileText.ifPresent(text -> layers.add(ConfigSource.text(file.toString(), text)));
        var source = new ConfigSource(layers);
        var listen = source.read("server.listen", ListenAddress.DEFAULT, ListenAddress::parse);
        var databaseUrl = source.secret("database.url");
        source.done();
        return new WrennConfig(listen, databaseUrl, source.effective());
    }
}
