package dev.wrenn.vmm.firecracker;

import dev.wrenn.base.Command;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Loop;
import dev.wrenn.base.Pause;
import dev.wrenn.base.UndoStack;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.LinuxException;
import dev.wrenn.linux.Pidfd;
import dev.wrenn.linux.ProcessIdentity;
import dev.wrenn.linux.Spawn;
import dev.wrenn.linux.SpawnedProcess;
import dev.wrenn.vmm.BootSource;
import dev.wrenn.vmm.HostCpu;
import dev.wrenn.vmm.JailUser;
import dev.wrenn.vmm.LastWords;
import dev.wrenn.vmm.MemoryReader;
import dev.wrenn.vmm.Vm;
import dev.wrenn.vmm.VmDied;
import dev.wrenn.vmm.VmEnd;
import dev.wrenn.vmm.VmSpec;
import dev.wrenn.vmm.Vmm;
import dev.wrenn.vmm.VmmFailed;
import dev.wrenn.vmm.VmmKind;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import org.eclipse.jetty.client.HttpClient;

/**
 * Firecracker as a VMM, each process in the jail of its own jailer.
 *
 * <p>It boots with memory that is nobody else's and writes all of it when it is saved; restored, it
 * takes its memory from the page server, and a save writes what has changed since.
 */
public final class Firecracker implements Vmm {
    private static final Pattern VERSION =
            Pattern.compile("^Firecracker v([0-9]+\\.[0-9]+[^ \\n]*)");
    private static final Duration EMPTY_PERIOD = Duration.ofSeconds(2);
    private static final Duration LOOK_INTERVAL = Duration.ofMillis(1);

    /** Disk, state, memory, tap, KVM and some of each vCPU. */
    private static final int OPEN_FILES = 256;

    private static final long STATE_BYTES = 64L << 20;

    private final FirecrackerConfig config;
    private final String version;
    private final HttpClient http;
    private final Set<FirecrackerVm> running = ConcurrentHashMap.newKeySet();
    private final Loop emptying;

    private Firecracker(FirecrackerConfig config, String version, HttpClient http) {
        this.config = config;
        this.version = version;
        this.http = http;
        this.emptying = Loop.every("vmm output", EMPTY_PERIOD, this::emptyPipes);
    }

    /**
     * Asks the program for its version.
     *
     * @throws WrennException if the program is not there or not Firecracker
     */
    public static Firecracker open(FirecrackerConfig config) {
        return new Firecracker(config, versionOf(config.binary()), Api.startClient());
    }

    /**
     * Finds out by running a guest of a few instructions whether it can run guests here; takes 0.1
     * s, or some seconds where KVM hangs. Keep the answer.
     *
     * @return what is wrong, empty if nothing
     */
    public static Optional<String> problem(Path binary) {
        return Optional.of(FirecrackerProbe.tryGuest(binary, Path.of("/dev/kvm")))
                .filter(problem -> !problem.isEmpty());
    }

    /**
     * The version that a program says it has.
     *
     * @throws WrennException if it does not run or is not Firecracker
     */
    public static String versionOf(Path binary) {
        var output = Command.of(binary.toString(), "--version").run().stdout();
        var matcher = VERSION.matcher(output);
        if (!matcher.find()) {
            throw new WrennException(
                    Kind.INVALID, binary.getFileName() + " does not say a version of Firecracker");
        }
        return matcher.group(1);
    }

    @Override
    public VmmKind kind() {
        return VmmKind.FIRECRACKER;
    }

    @Override
    public String version() {
        return version;
    }

    /**
     * Releases that differ in their last number have one format (firecracker
     * docs/snapshotting/versioning.md); without a CPU template a guest sees the real processor.
     */
    @Override
    public String stateFormat() {
        var series = version.replaceFirst("^([0-9]+\\.[0-9]+).*", "$1");
        return "Firecracker " + series + " on " + HostCpu.name();
    }

    @Override
    public MemoryReader memoryReader() {
        return MemoryReader.VMM;
    }

    @Override
    public Vm boot(VmSpec spec, BootSource source, Deadline deadline) {
        try (var undo = new UndoStack()) {
            var jail = prepare(undo, spec);
            Vmlinux.extract(source.kernel(), jail.inScratch(Jail.KERNEL));
            Files.copy(source.initrd(), jail.inScratch(Jail.INITRD));
            give(spec, jail.inScratch(Jail.KERNEL), jail.inScratch(Jail.INITRD));
            var vm = undo.hold(start(spec, jail, FirecrackerVm.Origin.BOOTED, deadline));
            vm.boot(new Machine(spec, config), source, deadline);
            Files.delete(jail.inScratch(Jail.KERNEL));
            Files.delete(jail.inScratch(Jail.INITRD));
            undo.handOver();
            return vm;
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "preparing the boot of a VM", e);
        }
    }

    @Override
    public Vm restore(VmSpec spec, Path vmState, Deadline deadline) {
        if (!Files.exists(spec.pageSocket())) {
            throw new VmmFailed(
                    Kind.UNAVAILABLE,
                    "loading VM state",
                    new LastWords("there is no page server to connect to"));
        }
        try (var undo = new UndoStack()) {
            var jail = prepare(undo, spec);
            Files.copy(vmState, jail.outside(Jail.STATE));
            give(spec, jail.outside(Jail.STATE), spec.pageSocket());
            var vm = undo.hold(start(spec, jail, FirecrackerVm.Origin.RESTORED, deadline));
            vm.restore(new Machine(spec, config), deadline);
            Files.delete(jail.outside(Jail.STATE));
            undo.handOver();
            return vm;
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "preparing the restore of a VM", e);
        }
    }

    @Override
    public Optional<Vm> adopt(VmSpec spec, ProcessIdentity process, Deadline deadline) {
        var jail = Jail.of(spec);
        var pidfd = open(process);
        if (pidfd.isEmpty()) {
            jail.clear();
            return Optional.empty();
        }
        try (var undo = new UndoStack()) {
            undo.hold(pidfd.get());
            var output = undo.hold(Output.open(jail.output()));
            var log = undo.hold(Output.open(jail.outside(Jail.LOG)));
            var watched = connect(jail);
            undo.undo(() -> close(watched));
            // Only what was restored is ever worth adopting, see FirecrackerVm.Origin.
            var vm =
                    new FirecrackerVm(
                            spec,
                            jail,
                            FirecrackerVm.Origin.RESTORED,
                            process,
                            pidfd.get(),
                            new Api(http, jail.outside(Jail.API)),
                            watched,
                            output,
                            log,
                            running::remove);
            running.add(vm);
            undo.handOver();
            return settle(vm, deadline);
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "finding a VM again", e);
        }
    }

    /** Stops emptying pipes. VMs stay as they are: close or detach each of them. */
    @Override
    public void close() {
        emptying.close();
        try {
            http.stop();
        } catch (Exception e) {
            throw new WrennException(Kind.BUG, "the client for Firecracker does not stop", e);
        }
    }

    private static Optional<Vm> settle(FirecrackerVm vm, Deadline deadline) {
        try {
            if (vm.isStarted(deadline)) {
                return Optional.of(vm);
            }
        } catch (WrennException e) {
            vm.detach();
            throw e;
        }
        vm.close();
        return Optional.empty();
    }

    private Jail prepare(UndoStack undo, VmSpec spec) throws IOException {
        var jail = Jail.of(spec);
        jail.clear();
        undo.undo(jail::clear);
        // The jailer names its folder after the file that a link leads to.
        jail.create(spec, String.valueOf(config.binary().toRealPath().getFileName()));
        return jail;
    }

    private static void give(VmSpec spec, Path... files) throws IOException {
        var user = JailUser.of(spec.runFolder());
        for (var file : files) {
            Jail.give(file, user);
        }
    }

    private FirecrackerVm start(
            VmSpec spec, Jail jail, FirecrackerVm.Origin origin, Deadline deadline)
            throws IOException {
        try (var undo = new UndoStack()) {
            var output = undo.hold(Output.create(jail.output()));
            var log = undo.hold(Output.open(jail.outside(Jail.LOG)));
            var process =
                    new Spawn(
                                    arguments(spec, jail),
                                    Map.of(),
                                    jail.output(),
                                    Optional.of(spec.networkNamespace()),
                                    jail.binds(spec, origin == FirecrackerVm.Origin.RESTORED))
                            .start();
            undo.hold(process.pidfd());
            undo.undo(() -> end(process));
            var watched = awaitApi(jail, process, output, log, deadline);
            undo.undo(() -> close(watched));
            var vm =
                    new FirecrackerVm(
                            spec,
                            jail,
                            origin,
                            process.identity(),
                            process.pidfd(),
                            new Api(http, jail.outside(Jail.API)),
                            watched,
                            output,
                            log,
                            running::remove);
            running.add(vm);
            undo.handOver();
            return vm;
        }
    }

    private List<String> arguments(VmSpec spec, Jail jail) throws IOException {
        var user = Integer.toString(JailUser.of(spec.runFolder()).number());
        long largest = Math.max(Files.size(spec.disk()), spec.memory().bytes()) + STATE_BYTES;
        var arguments = new ArrayList<>(List.of(config.jailer().toString()));
        arguments.addAll(List.of("--id", Jail.idOf(spec), "--exec-file", binary()));
        arguments.addAll(List.of("--uid", user, "--gid", user));
        arguments.addAll(List.of("--chroot-base-dir", jail.base().toString()));
        arguments.addAll(List.of("--resource-limit", "no-file=" + OPEN_FILES));
        arguments.addAll(List.of("--resource-limit", "fsize=" + largest));
        // A group that is there already is joined and nothing else.
        jail.group()
                .ifPresent(group -> {
                    arguments.addAll(List.of("--cgroup-version", "2"));
                    arguments.addAll(List.of("--parent-cgroup", group.name()));
                });
        arguments.addAll(List.of("--", "--api-sock", Jail.API));
        arguments.addAll(List.of("--log-path", Jail.LOG, "--level", "Info"));
        return arguments;
    }

    private String binary() {
        return config.binary().toString();
    }

    /** Firecracker tells nobody that it is ready: the socket is looked for, once a millisecond. */
    private static SocketChannel awaitApi(
            Jail jail, SpawnedProcess process, Output output, Output log, Deadline deadline) {
        var found = new SocketChannel[1];
        Pause.until(
                () -> {
                    try {
                        found[0] = connect(jail);
                        return true;
                    } catch (IOException _) {
                        return process.pidfd().hasEnded(); // else it is not there yet
                    }
                },
                LOOK_INTERVAL,
                deadline);
        if (found[0] == null) {
            deadline.check("starting the VMM");
            throw new VmDied(
                    "starting the VMM",
                    new VmEnd(VmEnd.Cause.VMM, (output.read() + "\n" + log.read()).strip()));
        }
        return found[0];
    }

    private static SocketChannel connect(Jail jail) throws IOException {
        return SocketChannel.open(UnixDomainSocketAddress.of(jail.outside(Jail.API)));
    }

    private static void close(SocketChannel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "closing a connection to the VMM", e);
        }
    }

    private static void end(SpawnedProcess process) {
        process.pidfd().kill();
        FirecrackerVm.awaitExit(process.pidfd());
    }

    private void emptyPipes() {
        running.forEach(FirecrackerVm::readOutput);
    }

    /** A handle on exactly that process, if it lives. */
    private static Optional<Pidfd> open(ProcessIdentity process) {
        try {
            var pidfd = Pidfd.open(process.pid());
            if (process.isAlive()) {
                return Optional.of(pidfd);
            }
            pidfd.close();
            return Optional.empty();
        } catch (LinuxException e) {
            if (e.kind() == Kind.ABSENT) {
                return Optional.empty();
            }
            throw e;
        }
    }
}
