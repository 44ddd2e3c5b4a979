package dev.wrenn.network;

import dev.wrenn.base.Command;
import dev.wrenn.base.Deadline;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/** Makes and removes what one pool has on the machine; keeps no state of its own. */
final class HostNetwork {
    private static final Path FORWARDING = Path.of("/proc/sys/net/ipv4/ip_forward");
    private static final Path LINKS = Path.of("/sys/class/net");
    private static final Duration COMMAND_LIMIT = Duration.ofSeconds(20);

    private final SlotPlan plan;
    private final HostRules rules;
    private final ForeignFirewall foreign;
    private final Path linksFile;
    private final Path rulesFile;

    HostNetwork(NetworkConfig config, AddressBlock block) {
        this.plan =
                new SlotPlan(config.prefix(), block, config.resolvers(), config.maxConnections());
        this.rules = new HostRules(config, block);
        this.foreign = new ForeignFirewall(rules.table(), rules.interfaces());
        this.linksFile = config.stateFolder().resolve(config.prefix() + ".links");
        this.rulesFile = config.stateFolder().resolve(config.prefix() + ".rules");
    }

    /** What every slot needs: forwarding, the host's rules, the two files. */
    void prepare() {
        try {
            // Writing 1 again would reset the redirect settings of every interface.
            if (!Files.readString(FORWARDING).strip().equals("1")) {
                Files.writeString(FORWARDING, "1");
            }
            Files.writeString(linksFile, plan.insideLinks());
            Files.writeString(rulesFile, plan.insideRules());
        } catch (IOException e) {
            throw new NetworkUnusable(Kind.UNAVAILABLE, "cannot prepare the host's network", e);
        }
        Command.of("nft", "-f", "-").input(rules.install()).run();
        foreign.open();
    }

    /** Takes back what {@link #prepare} did, but not forwarding: others may need it by now. */
    void clear() {
        foreign.close();
        Command.of("nft", "-f", "-").input(HostRules.remove(plan.prefix())).run();
        try {
            Files.deleteIfExists(linksFile);
            Files.deleteIfExists(rulesFile);
        } catch (IOException e) {
            throw new NetworkUnusable(Kind.UNAVAILABLE, "cannot remove the files of the slots", e);
        }
    }

    Slot slot(int index) {
        return plan.slot(index);
    }

    /** Makes the slot; leaves nothing behind if it fails. */
    Slot build(int index, Deadline deadline) {
        var slot = plan.slot(index);
        try {
            Command.of("ip", "-batch", "-")
                    .within(deadline.atMost(COMMAND_LIMIT).left())
                    .input(plan.build(index, linksFile, rulesFile))
                    .run();
            harden(slot);
            return slot;
        } catch (WrennException | IOException e) {
            var failure = new NetworkUnusable(Kind.UNAVAILABLE, "cannot make a network slot", e);
            try {
                remove(index);
            } catch (WrennException left) {
                failure.addSuppressed(left);
            }
            throw failure;
        }
    }

    /** Removes the slot, whatever there is of it. */
    void remove(int index) {
        var output =
                Command.of("ip", "-force", "-batch", "-")
                        .within(COMMAND_LIMIT)
                        .input(plan.remove(index))
                        .tryRun();
        var name = plan.name(index);
        if (Files.exists(LINKS.resolve(name)) || Files.exists(Inventory.NAMESPACES.resolve(name))) {
            throw new NetworkUnusable(
                    Kind.UNAVAILABLE,
                    "cannot remove network slot %d: %s".formatted(index, output.stderr().strip()),
                    null);
        }
    }

    /** A guest must not speak for others, nor anybody on the host's end speak IPv6. */
    private static void harden(Slot slot) throws IOException {
        set("ipv4", slot, "rp_filter", "1");
        set("ipv4", slot, "accept_redirects", "0");
        set("ipv4", slot, "send_redirects", "0");
        if (Files.isDirectory(Path.of("/proc/sys/net/ipv6/conf"))) {
            set("ipv6", slot, "disable_ipv6", "1");
        }
    }

    private static void set(String family, Slot slot, String setting, String value)
            throws IOException {
        Files.writeString(
                Path.of("/proc/sys/net", family, "conf", slot.namespace(), setting), value);
    }
}
