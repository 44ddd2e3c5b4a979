package dev.wrenn.network;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.net.Inet4Address;
import java.util.List;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator.ReplaceUnderscores;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayNameGeneration(ReplaceUnderscores.class)
final class NetworkConfigTest {
    private static final NetworkConfig DEFAULTS = NetworkConfig.DEFAULTS;

    @ParameterizedTest
    @ValueSource(strings = {"", "sevenxx", "1a", "A", "a-b", "a\"b", "a*"})
    void a_prefix_that_cannot_start_every_name_is_refused(String prefix) {
        assertThatIllegalArgumentException().isThrownBy(() -> DEFAULTS.withPrefix(prefix));
    }

    @Test
    void numbers_that_do_not_fit_a_block_are_refused() {
        assertThatIllegalArgumentException().isThrownBy(() -> DEFAULTS.withMaxSlots(1021));
        assertThatIllegalArgumentException().isThrownBy(() -> DEFAULTS.withPoolSize(0));
        assertThatIllegalArgumentException().isThrownBy(() -> DEFAULTS.withPoolSize(513));
        assertThat(DEFAULTS.withMaxSlots(1020).maxSlots()).isEqualTo(1020);
    }

    @Test
    void guests_have_one_or_two_resolvers() {
        assertThatIllegalArgumentException().isThrownBy(() -> DEFAULTS.withResolvers(List.of()));
        var three = List.of(at("1.1.1.1"), at("8.8.8.8"), at("9.9.9.9"));
        assertThatIllegalArgumentException().isThrownBy(() -> DEFAULTS.withResolvers(three));
    }

    @Test
    void the_metadata_services_of_clouds_are_denied_by_default() {
        for (var address :
                List.of("169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16")) {
            assertThat(DEFAULTS.denied()).anyMatch(range -> range.contains(at(address)));
        }
        assertThat(DEFAULTS.denied()).noneMatch(range -> range.contains(at("1.1.1.1")));
    }

    private static Inet4Address at(String address) {
        return Inet4Address.ofLiteral(address);
    }
}
