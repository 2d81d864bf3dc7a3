"""In place: what Python sees is the ring's memory, and the ring waits for it."""

import gc

import numpy as np
import pytest
import quoit


def mapped(name):
    """The addresses at which this process sees the ring."""
    spans = []
    with open("/proc/self/maps") as maps:
        for line in maps:
            if name in line:
                first, last = line.split()[0].split("-")
                spans.append(range(int(first, 16), int(last, 16)))
    return spans


def test_a_view_is_the_ring_itself(name, ends):
    producer, consumer = ends
    producer.push(bytes(range(100)), 9)
    peek = consumer.peek()
    with peek as view:
        assert (view.readonly, view.nbytes, peek.kind) == (True, 100, 9)
        array = np.frombuffer(view, np.uint8)
        address = array.__array_interface__["data"][0]
        assert address == peek.address
        assert any(address in span for span in mapped(name))
        assert array.tolist() == list(range(100))
        with pytest.raises(ValueError):
            array[0] = 1
        del array
    assert consumer.try_pop() is None


@pytest.mark.parametrize("keep", ["array", "slice", "cast", "second"])
def test_nothing_is_released_while_a_view_lives(ends, keep):
    producer, consumer = ends
    producer.push(b"12345678")
    producer.push(b"next")
    peek = consumer.peek()
    with pytest.raises(BufferError, match="1 views of this ring's memory are alive"):
        with peek as view:
            kept = {
                "array": lambda: np.frombuffer(view, np.uint8),
                "slice": lambda: view[2:4],
                "cast": lambda: view.cast("Q"),
                "second": lambda: memoryview(view.obj),
            }[keep]()
    # Nothing of what would give the room away goes through.
    for use in [
        peek.release, consumer.pop, consumer.try_pop, consumer.close, consumer.skip_to_latest,
        lambda: consumer.recv_into(bytearray(9)), lambda: consumer.skip(1),
    ]:
        with pytest.raises(BufferError, match="alive"):
            use()
    assert not consumer.closed
    assert bytes(kept)[:2] in (b"12", b"34")
    del kept
    peek.release()
    assert consumer.pop() == b"next"


def test_an_exception_leaves_the_message_in_the_ring(ends):
    producer, consumer = ends
    producer.push(b"again")
    with pytest.raises(KeyError):
        with consumer.peek():
            raise KeyError
    assert consumer.pop() == b"again"


def test_a_message_that_was_released_is_seen_no_more(ends):
    producer, consumer = ends
    producer.push(b"abc")
    with consumer.peek() as view:
        lease = view.obj
    with pytest.raises(ValueError, match="released"):
        view[0]
    with pytest.raises(BufferError, match="peek or claim again"):
        memoryview(lease)
    producer.push(b"def")
    peek = consumer.peek()
    assert consumer.pop() == b"def"
    with pytest.raises(BufferError, match="peek or claim again"):
        peek.release()
    with pytest.raises(BufferError, match="peek or claim again"):
        peek.__enter__()


def test_a_view_keeps_the_ring_mapped(name):
    producer = quoit.FrameProducer.create(name, 4096)
    consumer = quoit.FrameConsumer.open(name)
    producer.push(bytes(1000))
    view = memoryview(consumer.lease(1))
    del consumer
    gc.collect()
    assert bytes(view) == bytes(1000)
    del view
    gc.collect()
    # The role is free now.
    quoit.FrameConsumer.open(name).close()
    producer.close()


def test_an_endpoint_that_has_its_message_as_an_attribute_is_collected(name):
    class Camera(quoit.FrameConsumer):
        pass

    with quoit.FrameProducer.create(name, 64) as producer:
        producer.push(b"x")
        camera = Camera.open(name)
        camera.picture = camera.peek()
        del camera
        gc.collect()
        quoit.FrameConsumer.open(name).close()


def test_a_lease_of_another_endpoint_is_refused(name, ends):
    producer, consumer = ends
    producer.push(b"abc")
    lease = consumer.lease(1)
    with quoit.FrameProducer.create(f"{name}-other", 4096) as other:
        other.push(b"abc")
        with quoit.FrameConsumer.open(f"{name}-other") as reader:
            with pytest.raises(ValueError, match="another endpoint"):
                reader.release(lease, lease.units)
            with pytest.raises(ValueError, match="another endpoint"):
                other.commit(lease, 1, 0)
            assert reader.pop() == b"abc"
    quoit.unlink(f"{name}-other")


def test_a_claim_is_published_at_the_end_of_its_block(ends):
    producer, consumer = ends
    for lap in range(300):
        with producer.claim(100, kind=lap) as view:
            view[:] = bytes([lap % 256]) * 100
            assert consumer.try_pop() is None
        assert (consumer.pop(), consumer.kind) == (bytes([lap % 256]) * 100, lap)


def test_a_claim_may_publish_less_or_nothing(ends):
    producer, consumer = ends
    with producer.claim(100) as view:
        view[:5] = b"short"
        claim = view.obj
    assert len(claim) == 100
    assert consumer.pop() == b"short" + bytes(95)
    claim = producer.claim(100)
    with claim as view:
        view[:5] = b"short"
        claim.kind = 4
        claim.commit(5)
    assert (consumer.pop(), consumer.kind) == (b"short", 4)
    with pytest.raises(KeyError):
        with producer.claim(100):
            raise KeyError
    assert consumer.try_pop() is None
    claim = producer.claim(10)
    with pytest.raises(ValueError, match="11 cannot be committed"):
        claim.commit(11)


def test_a_block_may_release_less_or_nothing(name):
    with quoit.Producer.create(name, 8, "u8") as producer, quoit.Consumer.open(name, "u8") as consumer:
        producer.push_all(range(6))
        peek = consumer.peek(3)
        with peek as view:
            assert len(view) == 24
            peek.release(2)
        assert consumer.unread == 4
        with consumer.peek(3) as view:
            assert len(view) == 24
        assert consumer.unread == 1
        peek = consumer.peek()
        with peek:
            peek.release(0)
        assert consumer.pop() == 5
        claim = producer.claim(2)
        with claim:
            claim.commit(0)
        assert consumer.try_pop() is None


@pytest.mark.parametrize("kind", ["frames", "records"])
def test_what_was_released_or_committed_is_refused_with_advice(name, kind):
    Producer, Consumer, of = {
        "frames": (quoit.FrameProducer, quoit.FrameConsumer, ()),
        "records": (quoit.Producer, quoit.Consumer, ("u8",)),
    }[kind]
    with Producer.create(name, 64, *of) as producer, Consumer.open(name, *of) as consumer:
        claim = producer.claim(8)
        claim.commit()
        peek = consumer.peek()
        peek.release()
        for use in [claim.commit, claim.__enter__, peek.release, peek.__enter__, lambda: peek.release(0)]:
            with pytest.raises(BufferError, match="peek or claim again"):
                use()
        assert claim.address > 0 and peek.address > 0 and peek.kind == 0


def test_nothing_is_published_while_it_can_be_written(ends):
    producer, consumer = ends
    claim = producer.claim(8)
    with pytest.raises(BufferError):
        with claim as view:
            array = np.frombuffer(view, np.uint64)
            array[0] = 7
    for use in [lambda: producer.push(b"x"), lambda: producer.try_push(b"x"), producer.close]:
        with pytest.raises(BufferError):
            use()
    assert consumer.try_pop() is None
    del array
    claim.commit()
    assert consumer.pop() == (7).to_bytes(8, "little")


def test_records_in_place_lie_in_one_piece(name):
    with quoit.Producer.create(name, 8, "u8") as producer, quoit.Consumer.open(name, "u8") as consumer:

        def claim(count):
            with producer.claim(count) as view:
                array = np.frombuffer(view, producer.dtype)
                array[:] = np.arange(producer.position, producer.position + len(array))
                found = len(array)
                del array
            return found

        def peek(count):
            with consumer.peek(count) as view:
                found = np.frombuffer(view, consumer.dtype).tolist()
            return found

        assert claim(5) == 5
        assert peek(3) == [0, 1, 2]
        assert claim(9) == 3  # as far as the end of the ring
        assert claim(9) == 3
        assert peek(9) == [3, 4, 5, 6, 7]
        assert peek(9) == [8, 9, 10]
        assert consumer.try_peek(9) is None
        assert claim(2) == 2
        first = consumer.peek(2)
        first.release(1)
        assert peek(2) == [12]
