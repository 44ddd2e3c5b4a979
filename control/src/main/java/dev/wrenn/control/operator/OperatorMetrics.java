package dev.wrenn.control.operator;

import dev.wrenn.contract.host.HostAgent;
import dev.wrenn.contract.host.HostTotals;
import io.prometheus.metrics.core.metrics.CounterWithCallback;
import io.prometheus.metrics.core.metrics.GaugeWithCallback;
import io.prometheus.metrics.core.metrics.Info;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import io.prometheus.metrics.instrumentation.jvm.JvmGarbageCollectorMetrics;
import io.prometheus.metrics.instrumentation.jvm.JvmMemoryMetrics;
import io.prometheus.metrics.instrumentation.jvm.JvmThreadsMetrics;
import io.prometheus.metrics.instrumentation.jvm.ProcessMetrics;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;
import org.jdbi.v3.core.Jdbi;

/**
 * Numbers of the platform for its operator, in the text format of Prometheus.
 *
 * <p>No label has values that users make: no capsule, team or template is named, so the number of
 * series is fixed. Most are asked for when they are read.
 */
public final class OperatorMetrics {
    private static final List<String> CAPSULE_STATUSES =
            List.of("pending", "running", "paused", "missing");
    private static final List<String> BUILD_STATUSES = List.of("pending", "running");

    private final PrometheusRegistry registry = new PrometheusRegistry();
    private final PrometheusTextFormatWriter writer = PrometheusTextFormatWriter.create();
    private final HostAgent host;
    private final OperationTimer timer;
    private volatile HostTotals totals; // as of the reading under way

    /** Over these, each of which is asked at every reading. */
    public OperatorMetrics(
            String version, Jdbi db, Supplier<Connections> connections, HostAgent host) {
        this.host = host;
        this.totals = host.totals();
        this.timer = new OperationTimer(registry);
        var rows = new OperatorRows(db);
        Info.builder()
                .name("wrenn_build_info")
                .help("What runs here.")
                .labelNames("version", "vmm")
                .register(registry)
                .addLabelValues(version, host.describe().vmm());
        byStatus(
                "wrenn_capsules",
                "Capsules that are not ended, as the control plane knows them.",
                CAPSULE_STATUSES,
                rows::capsules);
        byStatus("wrenn_builds", "Template builds that wait or run.", BUILD_STATUSES, rows::builds);
        host();
        database(connections);
        ProcessMetrics.builder().register(registry);
        JvmMemoryMetrics.builder().register(registry);
        JvmThreadsMetrics.builder().register(registry);
        JvmGarbageCollectorMetrics.builder().register(registry);
    }

    /** Times what is done with capsules. */
    public OperationTimer timer() {
        return timer;
    }

    String contentType() {
        return writer.getContentType();
    }

    /** All of it, now. */
    byte[] read() {
        totals = host.totals();
        var text = new ByteArrayOutputStream();
        try {
            writer.write(text, registry.scrape());
        } catch (IOException e) {
            throw new UncheckedIOException(e); // a stream of bytes in memory does not fail
        }
        return text.toByteArray();
    }

    private void host() {
        gauge(
                "wrenn_host_slots_in_use",
                "Network slots that capsules hold.",
                HostTotals::slotsInUse);
        gauge("wrenn_host_slots", "Most network slots that there can be.", HostTotals::slots);
        gauge(
                "wrenn_host_free_disk_bytes",
                "Free room for snapshots and disks.",
                t -> t.disk().freeBytes());
        gauge(
                "wrenn_host_disk_bytes",
                "Room for snapshots and disks, used or free.",
                t -> t.disk().totalBytes());
        gauge(
                "wrenn_host_disk_reserve_bytes",
                "What must be free beside the unsaved for a capsule to be started.",
                t -> t.disk().reserveBytes());
        gauge(
                "wrenn_host_unsaved_bytes",
                "What saving all that runs would write.",
                t -> t.disk().unsavedBytes());
        gauge(
                "wrenn_host_memory_available_bytes",
                "The machine's memory that is free or can be freed at once.",
                t -> t.memory().availableBytes());
        gauge(
                "wrenn_host_memory_reserve_bytes",
                "The machine's memory that is kept for everything but guests.",
                t -> t.memory().reserveBytes());
        gauge(
                "wrenn_host_memory_promised_bytes",
                "What the guests that run may use at most, with their VMMs.",
                t -> t.memory().promisedBytes());
        gauge(
                "wrenn_host_memory_promisable_bytes",
                "Most memory that is promised to guests.",
                t -> t.memory().promisableBytes());
        gauge(
                "wrenn_host_warnings",
                "Things to be looked after before they hurt; GET /v1/status says which.",
                _ -> host.describe().warnings().size());
        snapshots();
        gauge(
                "wrenn_host_vmm_memory_bytes",
                "What the running VMMs hold of the machine's memory.",
                t -> t.vms().memoryBytes());
        counter(
                "wrenn_host_vmm_cpu_seconds_total",
                "Processor time of all VMMs since the host agent was started.",
                t -> t.vms().cpuTime().toNanos() / 1e9);
        counter(
                "wrenn_host_vm_starts_total",
                "Creates and resumes that succeeded.",
                t -> t.vms().starts());
        counter(
                "wrenn_host_vm_saves_total",
                "Snapshots that were written of running capsules, asked for or by expiry.",
                t -> t.vms().saves());
        counter(
                "wrenn_host_vm_saved_bytes_total",
                "Guest memory that these wrote.",
                t -> t.vms().savedBytes());
        counter(
                "wrenn_host_vm_losses_total",
                "VMs that ended although nobody asked for it.",
                t -> t.vms().losses());
        counter(
                "wrenn_host_page_faults_total",
                "Times that a guest had to wait for a page of its memory.",
                t -> t.pages().faults());
        counter(
                "wrenn_host_prefetched_pages_total",
                "Pages of guest memory that were there before anybody asked.",
                t -> t.pages().prefetched());
    }

    private void snapshots() {
        gauge("wrenn_snapshots", "Snapshots on the volume.", t -> t.snapshots().count());
        gauge(
                "wrenn_snapshot_layer_bytes",
                "Size of the layers that hold the memory of snapshots.",
                t -> t.snapshots().layerBytes());
        gauge(
                "wrenn_snapshot_live_bytes",
                "Pages in them that some snapshot reads.",
                t -> t.snapshots().liveBytes());
        gauge(
                "wrenn_snapshot_deepest_layers",
                "Most layers that one snapshot reads.",
                t -> t.snapshots().deepest());
    }

    private void database(Supplier<Connections> connections) {
        GaugeWithCallback.builder()
                .name("wrenn_database_connections")
                .help("Connections to the database; waiting are threads without one.")
                .labelNames("state")
                .callback(c -> {
                    var now = connections.get();
                    c.call(now.active(), "active");
                    c.call(now.idle(), "idle");
                    c.call(now.waiting(), "waiting");
                    c.call(now.most(), "most");
                })
                .register(registry);
    }

    private void byStatus(
            String name, String help, List<String> statuses, Supplier<Map<String, Long>> counts) {
        GaugeWithCallback.builder()
                .name(name)
                .help(help)
                .labelNames("status")
                .callback(c -> {
                    var now = counts.get();
                    statuses.forEach(s -> c.call(now.getOrDefault(s, 0L), s));
                })
                .register(registry);
    }

    private void gauge(String name, String help, ToDoubleFunction<HostTotals> value) {
        GaugeWithCallback.builder()
                .name(name)
                .help(help)
                .callback(c -> c.call(value.applyAsDouble(totals)))
                .register(registry);
    }

    private void counter(String name, String help, ToDoubleFunction<HostTotals> value) {
        CounterWithCallback.builder()
                .name(name)
                .help(help)
                .callback(c -> c.call(value.applyAsDouble(totals)))
                .register(registry);
    }
}
