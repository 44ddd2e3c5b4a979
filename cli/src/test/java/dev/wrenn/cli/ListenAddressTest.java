package dev.wrenn.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ListenAddressTest {
    @Test
    void host_and_port_are_read_and_ipv6_stands_in_brackets() {
        assertThat(ListenAddress.parse("127.0.0.1:8080")).isEqualTo(ListenAddress.DEFAULT);
        assertThat(ListenAddress.parse("[::1]:0")).isEqualTo(new ListenAddress("::1", 0));
        assertThat(ListenAddress.parse("[::1]:0")).hasToString("[::1]:0");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "8080", ":8080", "host:", "host:x", "host:65536", "host:-1", "::1:80"})
    void anything_else_is_refused_with_an_example(String text) {
        assertThatThrownBy(() -> ListenAddress.parse(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("127.0.0.1:8080");
    }

    @Test
    void clients_are_told_an_address_that_they_can_reach() {
        assertThat(ListenAddress.parse("0.0.0.0:0").baseUrl(81)).isEqualTo("http://127.0.0.1:81");
        assertThat(ListenAddress.parse("[::]:0").baseUrl(81)).isEqualTo("http://[::1]:81");
        assertThat(ListenAddress.parse("[fd00::1]:9").baseUrl(9)).isEqualTo("http://[fd00::1]:9");
        assertThat(ListenAddress.parse("box:9").baseUrl(9)).isEqualTo("http://box:9");
    }
}
