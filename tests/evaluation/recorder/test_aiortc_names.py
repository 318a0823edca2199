"""The private names of aiortc that `evaluation.recorder.rtc` stands on. When one moves, look there first."""

import asyncio
import inspect

import aioice.ice
import pytest
from aiortc import RTCDtlsTransport, RTCPeerConnection, rtcrtpreceiver, rtcrtpsender

from evaluation.recorder import rtc, wire


@pytest.fixture
def receiver() -> rtcrtpreceiver.RTCRtpReceiver:
    async def make() -> rtcrtpreceiver.RTCRtpReceiver:
        pc = RTCPeerConnection()
        made = pc.addTransceiver("video", "recvonly").receiver
        await pc.close()
        return made

    return asyncio.run(make())


@pytest.mark.parametrize("name", [rtc.JITTER_BUFFER, rtc.NACK_GENERATOR, rtc.ESTIMATOR, "_send_rtcp"])
def test_receiver_still_has_what_we_replace(receiver, name):
    assert getattr(receiver, name) is not None


@pytest.mark.parametrize(("name", "parameters"), [
    ("_send_rtcp_nack", ["media_ssrc", "lost"]),
    ("_send_rtcp_pli", ["media_ssrc"]),
    ("_handle_rtcp_packet", ["packet"]),
])  # fmt: skip
def test_receiver_still_sends_what_we_ask(receiver, name, parameters):
    assert list(inspect.signature(getattr(receiver, name)).parameters) == parameters


def test_receiver_still_uses_the_replaced_parts_as_we_expect():
    source = inspect.getsource(rtcrtpreceiver.RTCRtpReceiver._handle_rtp_packet)

    assert "pli_flag, encoded_frame = self.__jitter_buffer.add(packet)" in source
    assert "self.__nack_generator is not None" in source
    assert "packet._data = depayload(codec, packet.payload)" in source


def test_receiver_still_counts_streams_and_names_itself(receiver):
    assert getattr(receiver, rtc.STREAMS) == {}
    assert isinstance(getattr(receiver, rtc.OWN_SSRC), int)
    assert "self.__remote_streams[packet.ssrc].add(packet)" in inspect.getsource(
        rtcrtpreceiver.RTCRtpReceiver._handle_rtp_packet
    )


def test_the_short_way_still_begins_and_ends_where_it_did(receiver):
    transport = receiver.transport
    assert getattr(transport, wire.SRTP) is None
    connection = getattr(transport.transport, wire.ICE)
    assert list(inspect.signature(connection.data_received).parameters) == ["data", "component"]
    assert "self.receiver.data_received(data, self.local_candidate.component)" in inspect.getsource(
        aioice.ice.StunProtocol.datagram_received
    )
    assert "self._rx_srtp.unprotect(data)" in inspect.getsource(RTCDtlsTransport._recv_next)


def test_sender_still_asks_itself_for_key_pictures():
    assert "self._send_keyframe()" in inspect.getsource(rtcrtpsender.RTCRtpSender._handle_rtcp_packet)


def test_ice_still_asks_for_addresses_where_we_replace_them():
    assert list(inspect.signature(aioice.ice.get_host_addresses).parameters) == ["use_ipv4", "use_ipv6"]
    assert "get_host_addresses(" in inspect.getsource(aioice.ice.Connection)
