package dev.wrenn.host;

import static org.assertj.core.api.Assertions.assertThat;

import dev.wrenn.base.Forks;
import dev.wrenn.contract.CapsuleId;
import dev.wrenn.contract.host.HostState;
import dev.wrenn.testkit.Eventually;
import dev.wrenn.testkit.Slowness;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.ServerSocket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * What SECURITY.md says that root in a capsule cannot do, tried by root in a capsule. The attacker
 * may lose its own guest; what counts is that host, neighbour and host agent do not notice, and
 * that the attacker can be destroyed.
 */
@Tag("vm")
@ExtendWith(LabExtension.class)
@DisplayNameGeneration(ReplaceUnderscores.class)
final class HostileGuestVmTest {
    private static final long MIB = 1 << 20;
    private static final int PORT = 7777;

    /** What any call may take beside an attacker, which is given all the time of its vCPU. */
    private static final Duration PROMPT = Duration.ofSeconds(20);

    /** Prints for each of its arguments what became of a TCP connection to it. */
    private static final String CONNECT =
            """
            import errno, socket, sys
            for place in sys.argv[1:]:
                host, port = place.rsplit(":", 1)
                s = socket.socket()
                s.settimeout(2)
                try:
                    s.connect((host, int(port)))
                    print("open", place)
                except TimeoutError:
                    print("silent", place)
                except OSError as e:
                    print(errno.errorcode[e.errno], place)
                s.close()
            """;

    /**
     * Sends, past the guest's own stack: packets from addresses that are not the guest's, and ARP
     * that claims that gateway, host and neighbour have the guest's hardware address. Arguments:
     * port, own pretended addresses after a dash, addresses to send to.
     */
    private static final String SPOOF =
            """
            import socket, struct, sys
            port, claimed, targets = int(sys.argv[1]), sys.argv[2].split(","), sys.argv[3:]
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            raw.bind(("eth0", 0))
            own, gateway = bytes.fromhex("02fc00000005"), bytes.fromhex("02fc00000001")
            everybody = b"\\xff" * 6
            def checksum(data):
                total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
                total = (total >> 16) + (total & 0xffff)
                return ~(total + (total >> 16)) & 0xffff
            def send(source, target, mac):
                udp = struct.pack("!HHHH", 53, port, 12, 0) + b"evil"
                head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0,
                                   socket.inet_aton(source), socket.inet_aton(target))
                head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
                raw.send(gateway + mac + b"\\x08\\x00" + head + udp)
            for source in claimed:
                address = socket.inet_aton(source)
                for mac in (own, b"\\x02" * 6, gateway):
                    for operation in (1, 2):
                        raw.send(everybody + mac + b"\\x08\\x06" + struct.pack(
                            "!HHBBH6s4s6s4s", 1, 0x800, 6, 4, operation, mac, address,
                            everybody, address))
                    for target in targets:
                        for _ in range(10): send(source, target, mac)
            print("sent")
            """;

    /** Waits for a datagram, and prints what came; the first line says that it waits. */
    private static final String RECEIVE =
            """
            import socket
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind(("0.0.0.0", %d))
            open("/run/waiting", "w").close()
            data, sender = s.recvfrom(100)
            with open("/run/received", "w") as f: f.write(data.decode())
            """
                    .formatted(PORT);

    private final HostLab lab;

    HostileGuestVmTest(HostLab lab) {
        this.lab = lab;
    }

    private String python(CapsuleId capsule, String program, List<String> arguments) {
        lab.write(capsule, "/run/program.py", program);
        return lab.shell(capsule, "python3 /run/program.py " + String.join(" ", arguments));
    }

    /** Starts something that goes on, a moment after this call has been answered. */
    private void unleash(CapsuleId capsule, String line) {
        lab.write(capsule, "/run/attack.sh", "sleep 1\n" + line + "\n");
        lab.shell(capsule, "setsid sh /run/attack.sh </dev/null >/dev/null 2>&1 &");
    }

    private String addressOf(CapsuleId capsule) {
        return lab.host().describe(capsule).hostAddress();
    }

    private static List<String> addressesOfThisMachine() throws IOException {
        return NetworkInterface.networkInterfaces()
                .flatMap(NetworkInterface::inetAddresses)
                .filter(address -> address instanceof Inet4Address && !address.isLoopbackAddress())
                .map(InetAddress::getHostAddress)
                .distinct()
                .toList();
    }

    @Test
    void a_guest_reaches_no_metadata_service_no_private_range_no_neighbour_and_no_port_of_the_host()
            throws IOException {
        var capsule = lab.capsule();
        var neighbour = lab.capsule();
        var denied =
                List.of(
                        "169.254.169.254:80",
                        "168.63.129.16:80",
                        "100.100.100.200:80",
                        "10.0.0.1:80",
                        "172.16.0.1:80",
                        "192.168.0.1:80",
                        "100.64.0.1:80");
        try (var listener = new ServerSocket(0)) { // on all addresses of this machine
            var closed = new ArrayList<String>();
            closed.add(addressOf(neighbour) + ":49983");
            closed.add(addressOf(capsule) + ":49983");
            closed.add("169.254.0.22:" + listener.getLocalPort());
            for (var address : addressesOfThisMachine()) {
                closed.add(address + ":" + listener.getLocalPort());
            }

            assertThat(python(capsule, CONNECT, denied).lines())
                    .as("refused by a rule, not by chance")
                    .hasSameSizeAs(denied)
                    .allMatch(line -> line.startsWith("EHOSTUNREACH "));
            assertThat(python(capsule, CONNECT, closed).lines())
                    .hasSameSizeAs(closed)
                    .noneMatch(line -> line.startsWith("open "));
            assertThat(python(capsule, CONNECT, List.of("127.0.0.1:49983")))
                    .as("the program can tell an open port")
                    .isEqualTo("open 127.0.0.1:49983");
        }
    }

    @Test
    void a_guest_that_claims_the_addresses_of_others_reaches_nobody_and_disturbs_nobody()
            throws IOException {
        var capsule = lab.capsule();
        var neighbour = lab.capsule();
        lab.write(neighbour, "/run/receive.py", RECEIVE);
        lab.shell(
                neighbour,
                "setsid python3 /run/receive.py </dev/null >/dev/null 2>&1 &"
                        + " until [ -e /run/waiting ]; do sleep 0.05; done");
        try (var host = new DatagramSocket(new InetSocketAddress("0.0.0.0", PORT))) {
            var arguments = new ArrayList<String>();
            arguments.add(Integer.toString(PORT));
            arguments.add(
                    String.join(",", "169.254.0.22", "10.0.0.1", "8.8.8.8", addressOf(neighbour)));
            arguments.add(addressOf(neighbour));
            arguments.addAll(addressesOfThisMachine());

            assertThat(python(capsule, SPOOF, arguments)).isEqualTo("sent");

            assertThat(lab.shell(neighbour, "[ -e /run/received ] || echo nothing"))
                    .isEqualTo("nothing");
            assertThat(lab.shell(capsule, "echo fine")).isEqualTo("fine");
            send(host, addressOf(neighbour), "from the host");
            Eventually.within(
                    HostLab.SOON,
                    "what the host sends does arrive",
                    () ->
                            lab.shell(neighbour, "cat /run/received 2>/dev/null || true")
                                    .equals("from the host"));
            send(host, "127.0.0.1", "the first to arrive");
            assertThat(receive(host)).isEqualTo("the first to arrive");
        }
        lab.host().pause(neighbour);
        assertThat(lab.host().resume(neighbour).state()).isEqualTo(HostState.RUNNING);
        assertThat(lab.shell(neighbour, "echo fine")).isEqualTo("fine");
    }

    private static void send(DatagramSocket socket, String address, String text)
            throws IOException {
        var bytes = text.getBytes(StandardCharsets.US_ASCII);
        socket.send(new DatagramPacket(bytes, bytes.length, new InetSocketAddress(address, PORT)));
    }

    private static String receive(DatagramSocket socket) throws IOException {
        socket.setSoTimeout((int) Slowness.scaled(PROMPT).toMillis());
        var packet = new DatagramPacket(new byte[100], 100);
        try {
            socket.receive(packet);
        } catch (SocketTimeoutException e) {
            throw new AssertionError("nothing arrived at the host", e);
        }
        return new String(packet.getData(), 0, packet.getLength(), StandardCharsets.US_ASCII);
    }

    @Test
    void a_fork_bomb_costs_the_host_one_vcpu_and_can_be_destroyed() {
        assertOnlyTheAttackerSuffers("bomb() { bomb | bomb & }; bomb; sleep 1000");
    }

    @Test
    void a_memory_hog_costs_the_host_the_memory_that_its_capsule_was_given() {
        assertOnlyTheAttackerSuffers(
                "while :; do python3 -c 'a = [b\"x\" * (1 << 20) for _ in range(4000)]'; done");
    }

    private void assertOnlyTheAttackerSuffers(String attack) {
        var capsule = lab.capsule();
        var neighbour = lab.capsule();
        long pid = lab.vmm(capsule).pid();
        long threads = entriesOf("/proc/" + pid + "/task");
        var before = lab.vmm(capsule).info().totalCpuDuration().orElseThrow();

        unleash(capsule, attack);
        Eventually.within(
                Duration.ofSeconds(60),
                "the attack is under way",
                () ->
                        lab.vmm(capsule)
                                        .info()
                                        .totalCpuDuration()
                                        .orElseThrow()
                                        .minus(before)
                                        .compareTo(Duration.ofSeconds(4))
                                > 0);

        for (int i = 0; i < 5; i++) {
            assertThat(promptly(() -> lab.shell(neighbour, "echo fine"))).isEqualTo("fine");
            assertThat(residentBytes(pid)).isLessThan((HostLab.MEMORY_MB + 512) * MIB);
            assertThat(entriesOf("/proc/" + pid + "/task")).isLessThan(threads + 40);
        }
        promptly(() -> lab.host().pause(neighbour));
        promptly(() -> lab.host().resume(neighbour));
        assertThat(promptly(() -> lab.shell(lab.capsule(), "echo new"))).isEqualTo("new");
        promptly(() -> {
            lab.host().destroy(capsule);
            return true;
        });
        assertThat(Path.of("/proc/" + pid)).doesNotExist();
        assertThat(lab.shell(neighbour, "echo fine")).isEqualTo("fine");
    }

    private <T> T promptly(Callable<T> call) {
        try (var forks = new Forks()) {
            return forks.start("call beside an attack", call).take(Slowness.scaled(PROMPT));
        }
    }

    @Test
    void a_disk_hog_gets_no_byte_beyond_its_disk() {
        var capsule = lab.capsule();
        var neighbour = lab.capsule();
        var disk = lab.volume().resolve("disks").resolve(capsule.text() + ".raw");
        long size = disk.toFile().length();

        var beyond =
                "dd if=/dev/zero of=/dev/vda bs=1M count=4 oflag=direct conv=notrunc seek=%d"
                        .formatted(size / MIB);
        assertThat(lab.shell(capsule, beyond + " 2>/dev/null || echo refused"))
                .isEqualTo("refused");
        var tooMuch = "fallocate -l %d /root/hog 2>/dev/null || echo refused".formatted(size);
        assertThat(lab.shell(capsule, tooMuch)).isEqualTo("refused");
        lab.shell(capsule, "head -c 64M /dev/zero | tr '\\0' x > /root/hog; sync");

        assertThat(disk.toFile().length()).isEqualTo(size);
        assertThat(HostLab.allocated(disk)).isBetween(64 * MIB, size);
        assertThat(lab.shell(neighbour, "echo kept > /root/file; sync; cat /root/file"))
                .isEqualTo("kept");
    }

    @Test
    void a_million_lines_on_the_console_fill_nothing() {
        var capsule = lab.capsule();
        var neighbour = lab.capsule();
        var run = Path.of("/run/wrenn", Host.prefixOf(lab.folder()), "r", capsule.text());
        long before = HostLab.allocated(run); // a jail may have the VMM's program in it

        unleash(capsule, "yes | head -1000000 > /dev/console; touch /run/printed");
        Eventually.within(
                Duration.ofMinutes(4),
                "all is printed",
                () ->
                        lab.shell(capsule, "[ -e /run/printed ] && echo yes || echo no")
                                .equals("yes"));

        Eventually.holds(
                Duration.ofSeconds(60), // logs are cut now and then
                () -> assertThat(HostLab.allocated(run) - before).isLessThan(MIB));
        assertThat(lab.host().console(capsule).length()).isLessThan((int) MIB);
        assertThat(lab.shell(neighbour, "echo fine")).isEqualTo("fine");
    }

    private static long entriesOf(String folder) {
        try (var entries = Files.list(Path.of(folder))) {
            return entries.count();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static long residentBytes(long pid) {
        try (var lines = Files.lines(Path.of("/proc/" + pid + "/status"))) {
            return lines.filter(line -> line.startsWith("VmRSS:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) << 10)
                    .sum();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
