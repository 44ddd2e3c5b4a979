package dev.wrenn.cli;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.ConfigSource;
import dev.wrenn.base.Secret;
import dev.wrenn.cli.folder.DataFolder;
import dev.wrenn.contract.host.Retention;
import dev.wrenn.control.capsule.ControlConfig;
import dev.wrenn.gateway.GatewayConfig;
import dev.wrenn.host.capsule.ArchiveConfig;
import dev.wrenn.host.capsule.Capacity;
import dev.wrenn.host.capsule.HostConfig;
import dev.wrenn.snapshot.store.S3Config;
import dev.wrenn.vmm.DeviceLimits;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * All settings of one Wrenn.
 *
 * @param listen where the server listens
 * @param databaseUrl an external PostgreSQL; none means the embedded one
 * @param limits what the control plane allows
 * @param gateway limits of proxied requests
 * @param host the host agent's settings
 * @param effective every setting as it came out, secrets hidden, for the log
 */
record WrennConfig(
        ListenAddress listen,
        Optional<Secret> databaseUrl,
        ControlConfig limits,
        GatewayConfig gateway,
        HostConfig host,
        Map<String, String> effective) {
    private static final List<String> SECTIONS =
            List.of("server", "database", "host", "limits", "gateway", "store");

    /** Variables with names of their own. */
    private static final Map<String, String> ALIASES =
            Map.of("WRENN_LISTEN", "server.listen", "DATABASE_URL", "database.url");

    /**
     * Where settings are.
     *
     * @param flags from the command line, by full key
     * @param environment all variables
     * @param file the configuration file's text, if there is one
     */
    record Sources(
            Map<String, String> flags, Map<String, String> environment, Optional<String> file) {}

    /**
     * Reads them.
     *
     * @param guestFiles folder of the guest agent and the shim
     * @throws dev.wrenn.base.ConfigInvalid with all problems at once
     */
    static WrennConfig read(DataFolder folder, Path guestFiles, Sources sources) {
        var layers = new ArrayList<ConfigSource.Layer>();
        layers.add(new ConfigSource.Layer("command line", sources.flags()));
        layers.add(ConfigSource.environment(sources.environment(), SECTIONS, ALIASES));
        sources.file()
                .ifPresent(text ->
                        layers.add(ConfigSource.text(folder.configuration().toString(), text)));
        var source = new ConfigSource(layers);
        var listen = source.read("server.listen", ListenAddress.DEFAULT, ListenAddress::parse);
        var databaseUrl = source.secret("database.url");
        var limits = limits(source);
        var gateway = gateway(source);
        var host =
                host(
                        source,
                        HostConfig.of(
                                folder.path(),
                                guestFiles.resolve("libwrenn_uffd_shim.so"),
                                guestFiles.resolve("wrenn-guest-agent")));
        source.done();
        return new WrennConfig(listen, databaseUrl, limits, gateway, host, source.effective());
    }

    private static ControlConfig limits(ConfigSource source) {
        var usual = ControlConfig.DEFAULTS;
        int maxVcpus = source.count("limits.max-vcpus", usual.maxVcpus());
        var minMemory = source.size("limits.min-memory", ByteSize.mib(usual.minMemoryMb()));
        var maxMemory = source.size("limits.max-memory", ByteSize.mib(usual.maxMemoryMb()));
        var maxTimeout =
                source.duration("limits.max-timeout", Duration.ofSeconds(usual.maxTimeoutSec()));
        int perTeam = source.count("limits.capsules-per-team", usual.capsulesPerTeam());
        var maxJson = source.size("limits.max-json-body", new ByteSize(usual.maxJsonBytes()));
        return source.build(
                "limits",
                usual,
                () ->
                        new ControlConfig(
                                maxVcpus,
                                toInt("min-memory", minMemory.toMib()),
                                toInt("max-memory", maxMemory.toMib()),
                                maxTimeout.toSeconds(),
                                perTeam,
                                toInt("max-json-body", maxJson.bytes())));
    }

    private static GatewayConfig gateway(ConfigSource source) {
        var usual = GatewayConfig.DEFAULTS;
        var idleLimit = source.duration("gateway.idle-limit", usual.idleLimit());
        return source.build("gateway", usual, () -> usual.withIdleLimit(idleLimit));
    }

    private static int toInt(String key, long value) {
        if (value > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(key + " is too large");
        }
        return (int) value;
    }

    private static HostConfig host(ConfigSource source, HostConfig usual) {
        var volumeSize = source.size("host.volume-size", usual.volumeSize());
        int poolSlots = source.count("host.pool-slots", usual.poolSlots());
        int maxSlots = source.count("host.max-slots", usual.maxSlots());
        var startLimit = source.duration("host.start-limit", usual.startLimit());
        var bootLimit = source.duration("host.boot-limit", usual.bootLimit());
        var pauseLimit = source.duration("host.pause-limit", usual.pauseLimit());
        var noLimit = new ByteSize(0);
        var devices = usual.deviceLimits();
        var diskRate = source.size("host.disk-rate", devices.diskBytes().orElse(noLimit));
        int diskOperations =
                source.count("host.disk-operations", (int) devices.diskOperations().orElse(0));
        var networkRate = source.size("host.network-rate", devices.networkBytes().orElse(noLimit));
        var privateRegistries =
                Stream.of(source.text("host.private-registries", "", true).split(",", -1))
                        .map(String::strip)
                        .filter(registry -> !registry.isEmpty())
                        .collect(Collectors.toUnmodifiableSet());
        var capacity = capacity(source, usual.capacity());
        int keepLast = source.count("host.keep-checkpoints", usual.retention().keepLast());
        var keepFor = source.duration("host.keep-checkpoints-for", usual.retention().keepFor());
        var archive = archive(source, usual.dataFolder());
        return source.build(
                "host",
                usual,
                () ->
                        new HostConfig(
                                usual.dataFolder(),
                                usual.shim(),
                                usual.agent(),
                                volumeSize,
                                poolSlots,
                                maxSlots,
                                startLimit,
                                bootLimit,
                                pauseLimit,
                                new DeviceLimits(
                                        Optional.of(diskRate).filter(rate -> rate.bytes() > 0),
                                        diskOperations > 0
                                                ? OptionalLong.of(diskOperations)
                                                : OptionalLong.empty(),
                                        Optional.of(networkRate).filter(rate -> rate.bytes() > 0)),
                                privateRegistries,
                                capacity,
                                new Retention(keepLast, keepFor),
                                archive));
    }

    private static Capacity capacity(ConfigSource source, Capacity usual) {
        var memoryReserve = source.size("host.memory-reserve", usual.memoryReserve());
        double overcommit =
                source.read(
                        "host.memory-overcommit", usual.memoryOvercommit(), Double::parseDouble);
        var checkpointMemory = source.size("host.checkpoint-memory", usual.checkpointMemory());
        var diskReserve = source.size("host.disk-reserve", usual.diskReserve());
        return source.build(
                "host",
                usual,
                () -> new Capacity(memoryReserve, overcommit, checkpointMemory, diskReserve));
    }

    /** Where snapshots are kept besides this machine: a bucket, a folder, or nowhere. */
    private static Optional<ArchiveConfig> archive(ConfigSource source, Path dataFolder) {
        var folder = source.readIfSet("store.folder", Path::of);
        var bucket = source.readIfSet("store.s3-bucket", text -> text);
        var endpoint = source.readIfSet("store.s3-endpoint", URI::create);
        var region = source.text("store.s3-region", "us-east-1", false);
        var prefix = source.text("store.s3-prefix", "", true);
        var keyId = source.readIfSet("store.s3-key-id", text -> text);
        var secret = source.secret("store.s3-secret-key");
        var masterKeys = source.path("store.master-keys", dataFolder.resolve("master-keys"));
        var keepFree = source.size("store.keep-free", ArchiveConfig.KEEP_FREE);
        boolean isPauseDurable = source.flag("store.durable-pause", false);
        return source.build(
                "store",
                Optional.<ArchiveConfig>empty(),
                () -> {
                    if (folder.isPresent() && bucket.isPresent()) {
                        throw new IllegalArgumentException("set folder or s3-bucket, not both");
                    }
                    if (keyId.isPresent() != secret.isPresent()) {
                        throw new IllegalArgumentException(
                                "set both of s3-key-id and s3-secret-key, or none");
                    }
                    var keys = keyId.flatMap(k -> secret.map(s -> new S3Config.Keys(k, s)));
                    return bucket.<ArchiveConfig.Place>map(b ->
                                    new ArchiveConfig.Place.Bucket(
                                            new S3Config(
                                                    endpoint,
                                                    b,
                                                    region,
                                                    prefix,
                                                    keys,
                                                    S3Config.ATTEMPT_LIMIT)))
                            .or(() -> folder.map(ArchiveConfig.Place.Folder::new))
                            .map(place ->
                                    new ArchiveConfig(place, masterKeys, keepFree, isPauseDurable));
                });
    }
}
