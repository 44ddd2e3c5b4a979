package dev.wrenn.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.net.Inet4Address;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayNameGeneration(ReplaceUnderscores.class)
final class CidrTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "10.0.0.0/",
                "10.0.0.0/33",
                "10.0.0.0/-1",
                "10.0.0.1/8",
                "10.0.0/8",
                "::1/128",
                "host/8",
                "10.0.0.0/8x"
            })
    void what_is_no_range_is_refused(String text) {
        assertThatIllegalArgumentException().isThrownBy(() -> Cidr.parse(text));
    }

    @ParameterizedTest
    @ValueSource(strings = {"0.0.0.0/0", "10.11.4.0/22", "255.255.255.255/32", "128.0.0.0/1"})
    void a_range_reads_back_what_it_prints(String text) {
        assertThat(Cidr.parse(text)).hasToString(text);
    }

    @Test
    void a_lone_address_is_a_range_of_one() {
        assertThat(Cidr.parse("1.2.3.4")).isEqualTo(Cidr.parse("1.2.3.4/32"));
    }

    @Test
    void a_range_holds_its_first_and_last_address_and_not_their_neighbours() {
        var range = Cidr.parse("172.16.0.0/12");

        assertThat(range.contains(address("172.16.0.0"))).isTrue();
        assertThat(range.contains(address("172.31.255.255"))).isTrue();
        assertThat(range.contains(address("172.15.255.255"))).isFalse();
        assertThat(range.contains(address("172.32.0.0"))).isFalse();
        assertThat(Cidr.parse("0.0.0.0/0").contains(address("255.1.2.3"))).isTrue();
    }

    @Test
    void ranges_overlap_only_if_one_holds_the_other() {
        var wide = Cidr.parse("10.0.0.0/8");
        var narrow = Cidr.parse("10.11.4.0/22");

        assertThat(wide.overlaps(narrow)).isTrue();
        assertThat(narrow.overlaps(wide)).isTrue();
        assertThat(narrow.contains(wide)).isFalse();
        assertThat(narrow.overlaps(Cidr.parse("10.11.8.0/22"))).isFalse();
    }

    @Test
    void a_block_numbers_its_addresses_across_byte_borders() {
        var block = AddressBlock.of(Cidr.parse("10.11.0.0/16"), 63);

        assertThat(block).hasToString("10.11.252.0/22");
        assertThat(block.slotAddress(1020)).isEqualTo(address("10.11.255.252"));
        assertThat(block.hostAddress()).isEqualTo(address("10.11.255.254"));
        assertThat(AddressBlock.around(block.slotAddress(300))).isEqualTo(block);
        assertThatIllegalArgumentException().isThrownBy(() -> block.slotAddress(1024));
    }

    private static Inet4Address address(String text) {
        return Inet4Address.ofLiteral(text);
    }
}
