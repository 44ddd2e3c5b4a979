package dev.wrenn.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.wrenn.base.Command;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.testkit.Eventually;
import dev.wrenn.testkit.HostInventory;
import dev.wrenn.testkit.HostView;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("root")
@DisplayNameGeneration(ReplaceUnderscores.class)
final class SlotPoolRootTest {
    private static final Duration LIMIT = Duration.ofSeconds(10);
    private static final int PORT = 7777;
    private static final String UNREACHABLE = "connect: errno 113";

    @TempDir Path folder;
    private NetworkLab lab;
    private HostView ours;
    private HostInventory before;

    @BeforeEach
    void buildLab() {
        lab = new NetworkLab(folder);
        ours = HostInventory.view().marked(lab.prefix);
        before = ours.take();
    }

    @AfterEach
    void removeLab() {
        lab.close();
        assertThat(ours.take().things().values()).allMatch(things -> things.isEmpty());
    }

    @Test
    void the_host_reaches_the_guest_at_the_slots_address_and_seems_to_be_the_gateway() {
        var slot = lab.pool(lab.config()).lease(NetworkLab.soon());
        var guest = lab.guest(slot);
        lab.serve(guest, PORT);

        assertThat(lab.dial("", slot.hostAddress().getHostAddress(), PORT))
                .isEqualTo("hello 169.254.0.22");
    }

    @Test
    void the_guest_reaches_the_outside_as_the_host() {
        var guest = lab.guest(lab.pool(lab.config()).lease(NetworkLab.soon()));
        lab.serve(lab.outside, PORT);

        assertThat(lab.dial(guest, lab.outsidePublic(), PORT))
                .isEqualTo("hello " + lab.hostPublic());
        assertThat(lab.ask(guest, lab.outsidePublic(), PORT, 0))
                .isEqualTo("hello " + lab.hostPublic());
    }

    @Test
    void the_guest_does_not_reach_private_addresses_but_the_resolvers_port_53() {
        var guest = lab.guest(lab.pool(lab.config()).lease(NetworkLab.soon()));
        lab.serve(lab.outside, PORT);
        lab.serve(lab.outside, 53);
        assertThat(lab.dial("", lab.outsidePrivate(), PORT)).startsWith("hello");

        assertThat(lab.dial(guest, lab.outsidePrivate(), PORT)).isEqualTo(UNREACHABLE);
        assertThat(lab.dial(guest, "169.254.169.254", 80)).isEqualTo(UNREACHABLE);
        for (var resolver : Slot.GUEST_RESOLVERS) {
            assertThat(lab.ask(guest, resolver, 53, 0)).isEqualTo("hello " + lab.hostPrivate());
            assertThat(lab.dial(guest, resolver, 53)).isEqualTo("hello " + lab.hostPrivate());
        }
        assertThat(lab.ask(guest, lab.outsidePrivate(), 53, 0)).startsWith("hello");
    }

    @Test
    void the_guest_does_not_reach_the_host_itself() {
        var pool = lab.pool(lab.config());
        var guest = lab.guest(pool.lease(NetworkLab.soon()));
        lab.serve("", PORT);
        assertThat(lab.dial("", lab.hostPublic(), PORT)).startsWith("hello");

        assertThat(lab.dial(guest, lab.hostPublic(), PORT)).isEqualTo(UNREACHABLE);
        assertThat(lab.dial(guest, pool.addresses().at(1022).getHostAddress(), PORT))
                .isNotEqualTo("hello " + lab.hostPublic())
                .startsWith("connect: errno");
        // Nothing listens on the gateway, and the guest learns it at once: ECONNREFUSED.
        assertThat(lab.dial(guest, "169.254.0.22", PORT)).isEqualTo("connect: errno 111");
    }

    @Test
    void the_guest_does_not_reach_its_neighbour() {
        var pool = lab.pool(lab.config());
        var mine = pool.lease(NetworkLab.soon());
        var other = pool.lease(NetworkLab.soon());
        var guest = lab.guest(mine);
        lab.serve(lab.guest(other), PORT);
        assertThat(lab.dial("", other.hostAddress().getHostAddress(), PORT)).startsWith("hello");

        assertThat(lab.dial(guest, other.hostAddress().getHostAddress(), PORT))
                .startsWith("connect: errno");
    }

    @Test
    void other_machines_do_not_reach_the_guest() {
        var slot = lab.pool(lab.config()).lease(NetworkLab.soon());
        lab.serve(lab.guest(slot), PORT);
        lab.inside(lab.outside, "route add default via " + lab.hostPublic() + "\n");

        assertThat(lab.dial(lab.outside, slot.hostAddress().getHostAddress(), PORT))
                .isEqualTo(UNREACHABLE);
    }

    @Test
    void a_late_answer_to_an_earlier_guest_does_not_reach_the_next_one_of_the_slot() {
        var pool = lab.pool(lab.config().withPoolSize(1).withMaxSlots(1));
        var first = pool.lease(NetworkLab.soon());
        var earlier = lab.guest(first);
        var server = lab.serve(lab.outside, PORT);
        assertThat(lab.ask(earlier, lab.outsidePublic(), PORT, 5555)).startsWith("hello");
        server.close();
        var listening = lab.serve(earlier, 5555);
        assertThat(lab.ask(lab.outside, lab.hostPublic(), 5555, PORT)).startsWith("hello");
        listening.close();

        pool.giveBack(first);
        var second = pool.lease(NetworkLab.soon());
        lab.serve(lab.guest(second), 5555);

        assertThat(second.hostAddress()).isEqualTo(first.hostAddress());
        assertThat(lab.ask(lab.outside, lab.hostPublic(), 5555, PORT)).startsWith("read: errno");
    }

    @Test
    void a_slot_given_back_twice_does_not_end_the_lease_of_another() {
        var pool = lab.pool(lab.config().withPoolSize(1).withMaxSlots(1));
        var first = pool.lease(NetworkLab.soon());
        pool.giveBack(first);
        var second = pool.lease(NetworkLab.soon());

        pool.giveBack(first);

        assertThatThrownBy(() -> pool.lease(NetworkLab.soon())).isInstanceOf(SlotsExhausted.class);
        assertThat(second.index()).isEqualTo(first.index());
    }

    @Test
    void the_pool_fills_up_again_after_a_lease() {
        var pool = lab.pool(lab.config().withPoolSize(2).withMaxSlots(8));
        pool.lease(NetworkLab.soon());
        pool.lease(NetworkLab.soon());

        Eventually.within(
                LIMIT, () -> Inventory.take(lab.prefix).slots().equals(Set.of(1, 2, 3, 4)));
    }

    @Test
    void closing_leaves_nothing_on_the_machine() {
        var pool = lab.pool(lab.config());
        pool.lease(NetworkLab.soon());
        assertThat(before.changesUntil(ours.take())).isNotEmpty();

        pool.close();

        before.assertRestored(ours, LIMIT);
        assertThat(Inventory.take(lab.prefix).routes()).doesNotContain(pool.addresses());
        assertThatThrownBy(() -> pool.lease(NetworkLab.soon()))
                .isInstanceOfSatisfying(
                        WrennException.class,
                        e -> assertThat(e.kind()).isEqualTo(Kind.UNAVAILABLE));
    }

    @Test
    void after_a_restart_used_slots_work_on_and_the_others_are_removed() {
        var earlier = lab.pool(lab.config().withPoolSize(3).withMaxSlots(8));
        var kept = earlier.lease(NetworkLab.soon());
        earlier.lease(NetworkLab.soon());
        var guest = lab.guest(kept);
        lab.serve(guest, PORT);
        lab.serve(lab.outside, PORT);
        earlier.detach();

        var pool = lab.pool(lab.config());
        var adopted = pool.adopt(kept.index());
        pool.retainOnly(Set.of(adopted.index()));

        assertThat(adopted).isEqualTo(kept);
        assertThat(pool.addresses()).isEqualTo(earlier.addresses());
        assertThat(lab.dial("", kept.hostAddress().getHostAddress(), PORT)).startsWith("hello");
        assertThat(lab.dial(guest, lab.outsidePublic(), PORT)).startsWith("hello");
        // The adopted one and the one that the new pool keeps ready.
        assertThat(Inventory.take(lab.prefix).slots()).hasSize(2).contains(kept.index());
        assertThatThrownBy(() -> pool.adopt(7)).isInstanceOf(SlotLost.class);
        assertThatThrownBy(() -> pool.adopt(kept.index())).isInstanceOf(SlotLost.class);
    }

    @Test
    void a_half_removed_slot_is_not_adopted_but_removed() {
        var earlier = lab.pool(lab.config());
        var slot = earlier.lease(NetworkLab.soon());
        earlier.detach();
        Command.of("ip", "link", "del", slot.namespace()).run();

        var pool = lab.pool(lab.config());

        assertThatThrownBy(() -> pool.adopt(slot.index())).isInstanceOf(SlotLost.class);
        pool.retainOnly(Set.of());
        assertThat(Inventory.take(lab.prefix).slots()).doesNotContain(slot.index());
    }

    @Test
    void two_pools_stand_side_by_side_and_their_guests_do_not_meet() {
        var pool = lab.pool(lab.config());
        var otherPrefix = lab.prefix + "y";
        var otherPool = lab.pool(lab.config().withPrefix(otherPrefix));
        var mine = pool.lease(NetworkLab.soon());
        var other = otherPool.lease(NetworkLab.soon());
        var guest = lab.guest(mine);
        lab.serve(lab.guest(other), PORT);

        assertThat(pool.addresses().overlaps(otherPool.addresses())).isFalse();
        assertThat(lab.dial("", other.hostAddress().getHostAddress(), PORT)).startsWith("hello");
        assertThat(lab.dial(guest, other.hostAddress().getHostAddress(), PORT))
                .isEqualTo(UNREACHABLE);
        otherPool.close();
        lab.serve(lab.outside, PORT);
        assertThat(lab.dial(guest, lab.outsidePublic(), PORT)).startsWith("hello");
    }

    @Test
    void a_prefix_that_is_in_use_is_refused() {
        lab.pool(lab.config());

        assertThatThrownBy(() -> SlotPool.open(lab.config()))
                .isInstanceOfSatisfying(
                        NetworkUnusable.class, e -> assertThat(e.kind()).isEqualTo(Kind.CONFLICT));
    }

    @Test
    void a_firewall_that_drops_forwarded_packets_is_told_to_let_guests_pass() {
        var table = lab.prefix + "_docker";
        Command.of("nft", "-f", "-")
                .input(
                        """
                        table ip %s {
                            chain FORWARD {
                                type filter hook forward priority filter; policy drop;
                                iifname != "%s*" oifname != "%s*" accept
                            }
                        }
                        """
                                .formatted(table, lab.prefix, lab.prefix))
                .run();
        try {
            var pool = lab.pool(lab.config());
            var guest = lab.guest(pool.lease(NetworkLab.soon()));
            lab.serve(lab.outside, PORT);

            assertThat(lab.dial(guest, lab.outsidePublic(), PORT)).startsWith("hello");
            pool.close();
            var rules = Command.of("nft", "list", "table", "ip", table).run();
            assertThat(rules.stdout()).doesNotContain("comment");
        } finally {
            Command.of("nft", "delete", "table", "ip", table).run();
        }
    }

    @Test
    void a_block_that_others_route_to_is_left_alone() {
        var first = lab.pool(lab.config());
        var block = first.addresses();
        first.close();
        var member = block.at(512).getHostAddress();
        Command.of("ip", "route", "add", "unreachable", member).run();
        try {
            var pool = lab.pool(lab.config());

            assertThat(List.of(pool.addresses())).doesNotContain(block);
        } finally {
            Command.of("ip", "route", "del", "unreachable", member).run();
        }
    }
}
