/** Network slots: namespace, tap, addresses, egress policy. */
@NullMarked
package dev.wrenn.network;

import org.jspecify.annotations.NullMarked;
