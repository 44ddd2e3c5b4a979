package dev.wrenn.vmm.qemu;

import dev.wrenn.base.ByteSize;
import dev.wrenn.base.Command;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.Loop;
import dev.wrenn.base.UndoStack;
import dev.wrenn.base.WrennException;
import dev.wrenn.linux.Fd;
import dev.wrenn.linux.LinuxException;
import dev.wrenn.linux.Pidfd;
import dev.wrenn.linux.ProcessIdentity;
import dev.wrenn.linux.Spawn;
import dev.wrenn.linux.UnixSocket;
import dev.wrenn.vmm.BootSource;
import dev.wrenn.vmm.ControlGroup;
import dev.wrenn.vmm.HostCpu;
import dev.wrenn.vmm.JailUser;
import dev.wrenn.vmm.MemoryReader;
import dev.wrenn.vmm.Vm;
import dev.wrenn.vmm.VmSpec;
import dev.wrenn.vmm.Vmm;
import dev.wrenn.vmm.VmmFailed;
import dev.wrenn.vmm.VmmKind;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * QEMU as a VMM.
 *
 * <p>The monitor's socket is made here and inherited by QEMU, so that we are connected before it
 * starts: nothing polls for it, and its answer is the first thing that can be waited for.
 */
public final class Qemu implements Vmm {
    private static final Logger LOG = LoggerFactory.getLogger(Qemu.class);
    private static final Pattern VERSION = Pattern.compile("version ([0-9]+\\.[0-9]+[^ \\n]*)");

    /** States that lead nowhere: no state was loaded, the guest ended, a vCPU cannot go on. */
    private static final Set<String> ENDED = Set.of("inmigrate", "shutdown", "internal-error");

    /** QEMU itself, with the largest buffer of translated code. */
    private static final ByteSize OVERHEAD = ByteSize.mib(512);

    private static final Duration TRIM_PERIOD = Duration.ofSeconds(30);

    private final QemuConfig config;
    private final String version;
    private final QemuCommandLine commandLine;
    private final Set<QemuVm> running = ConcurrentHashMap.newKeySet();
    private final Loop trimming;

    private Qemu(QemuConfig config, String version, long tscKhz) {
        this.config = config;
        this.version = version;
        this.commandLine =
                new QemuCommandLine(config.accelerator(), config.binary(), tscKhz, config.limits());
        this.trimming = Loop.every("vmm logs", TRIM_PERIOD, this::trimLogs);
    }

    /**
     * Asks the program for its version and, for TCG, measures the machine's clock (0.2 s).
     *
     * @throws VmmFailed if the program is not there or not QEMU
     */
    public static Qemu open(QemuConfig config) {
        var tscKhz =
                switch (config.accelerator()) {
                    case KVM -> 0L;
                    case TCG -> TscProbe.khz(config.tscProbe());
                };
        return new Qemu(config, versionOf(config.binary()), tscKhz);
    }

    /**
     * Finds out by running a guest of a few instructions whether KVM works here, else TCG; takes up
     * to 10 s on a machine where it hangs, 0.1 s else. Keep the answer.
     *
     * @throws WrennException if QEMU cannot run a guest at all
     */
    public static QemuProbe probe(Path binary) {
        return KvmProbe.select(binary, Path.of("/dev/kvm"));
    }

    @Override
    public VmmKind kind() {
        return config.accelerator().kind();
    }

    @Override
    public String version() {
        return version;
    }

    /** Releases of one series load each other's state (QEMU docs/devel/migration.rst). */
    @Override
    public String stateFormat() {
        var series = version.replaceFirst("^([0-9]+\\.[0-9]+).*", "$1");
        return switch (config.accelerator()) {
            case KVM -> "QEMU " + series + " with KVM on " + HostCpu.name();
            case TCG -> "QEMU " + series + " with TCG";
        };
    }

    @Override
    public MemoryReader memoryReader() {
        return MemoryReader.PAGE_SERVER;
    }

    @Override
    public Vm boot(VmSpec spec, BootSource source, Deadline deadline) {
        try (var undo = new UndoStack()) {
            var vm =
                    undo.hold(
                            start(
                                    spec,
                                    user -> commandLine.boot(spec, source, user),
                                    "announce",
                                    List.of()));
            vm.greet(deadline);
            vm.resume(deadline);
            undo.handOver();
            return vm;
        }
    }

    @Override
    public Vm restore(VmSpec spec, Path vmState, Deadline deadline) {
        try (var undo = new UndoStack();
                var state = Fd.open(vmState, Fd.O_RDONLY)) {
            var vm =
                    undo.hold(
                            start(
                                    spec,
                                    user -> commandLine.restore(spec, user),
                                    "lazy",
                                    List.of(state)));
            vm.greetAndLoad(deadline);
            undo.handOver();
            return vm;
        }
    }

    @Override
    public Optional<Vm> adopt(VmSpec spec, ProcessIdentity process, Deadline deadline) {
        var pidfd = open(process);
        if (pidfd.isEmpty()) {
            RunFolder.of(spec).clear();
            return Optional.empty();
        }
        try (var undo = new UndoStack()) {
            undo.hold(pidfd.get());
            var vm = watch(spec, process, pidfd.get(), connect(spec));
            undo.handOver();
            return settle(vm, deadline);
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "finding a VM again", e);
        }
    }

    /** Stops looking after logs. VMs stay as they are: close or detach each of them. */
    @Override
    public void close() {
        trimming.close();
    }

    private Optional<Vm> settle(QemuVm vm, Deadline deadline) {
        try {
            vm.greet(deadline);
            var status = vm.status(deadline);
            if (!ENDED.contains(status)) {
                vm.found(status);
                return Optional.of(vm);
            }
        } catch (WrennException e) {
            vm.detach();
            throw e;
        }
        vm.close();
        return Optional.empty();
    }

    private QemuVm start(
            VmSpec spec,
            Function<JailUser, List<String>> arguments,
            String memoryMode,
            List<Fd> inherited) {
        var files = RunFolder.of(spec);
        files.clear();
        try (var undo = new UndoStack();
                var monitor = UnixSocket.listen(files.monitor());
                var disk = Fd.open(spec.disk(), Fd.O_RDWR);
                var diskReadOnly = Fd.open(spec.disk(), Fd.O_RDONLY)) {
            undo.undo(files::clear);
            var user = JailUser.claim(spec);
            files.jail().create(user);
            var limits = ControlGroup.Limits.of(spec, OVERHEAD);
            files.group().ifPresent(group -> group.create(limits));
            var channel = connect(spec);
            undo.undo(() -> close(channel));
            var spawn =
                    new Spawn(
                            arguments.apply(user),
                            Map.of(
                                    "LD_PRELOAD", config.shim().toString(),
                                    "WRENN_UFFD_SOCKET", spec.pageSocket().toString(),
                                    "WRENN_UFFD_MODE", memoryMode),
                            files.log(),
                            Optional.of(spec.networkNamespace()));
            var given = new ArrayList<>(List.of(monitor.fd(), disk, diskReadOnly));
            given.addAll(inherited);
            var process = spawn.start(given);
            undo.hold(process.pidfd());
            undo.undo(() -> end(process.pidfd()));
            files.group().ifPresent(group -> group.admit(process.identity().pid()));
            undo.handOver();
            return watch(spec, process.identity(), process.pidfd(), channel);
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "starting the VMM", e);
        }
    }

    private static void end(Pidfd pidfd) {
        pidfd.kill();
        QemuVm.awaitExit(pidfd);
    }

    private QemuVm watch(VmSpec spec, ProcessIdentity process, Pidfd pidfd, SocketChannel channel) {
        var vm = new QemuVm(spec, process, pidfd, channel, running::remove);
        running.add(vm);
        return vm;
    }

    private void trimLogs() {
        for (var vm : running) {
            try {
                vm.output().trim();
            } catch (IOException e) {
                LOG.atWarn()
                        .setCause(e)
                        .addKeyValue("vm", vm.spec().name())
                        .log("cannot trim the output of a vmm");
            }
        }
    }

    private static SocketChannel connect(VmSpec spec) throws IOException {
        return SocketChannel.open(UnixDomainSocketAddress.of(RunFolder.of(spec).monitor()));
    }

    private static void close(SocketChannel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            throw new VmmFailed(Kind.UNAVAILABLE, "closing a monitor connection", e);
        }
    }

    /** A handle on exactly that process, if it lives. */
    private static Optional<Pidfd> open(ProcessIdentity process) {
        try {
            var pidfd = Pidfd.open(process.pid());
            if (process.isAlive()) {
                return Optional.of(pidfd); // looked at after the handle was made
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

    private static String versionOf(Path binary) {
        var output = Command.of(binary.toString(), "--version").run().stdout();
        var matcher = VERSION.matcher(output);
        if (!matcher.find()) {
            throw new WrennException(
                    Kind.INVALID, binary.getFileName() + " does not say its version");
        }
        return matcher.group(1);
    }
}
