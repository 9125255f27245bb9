{# No event without a person, no person without an event, never more people than events. #}
{% test people_stand_behind_events(model, events, people) %}
select 1 as failure
from {{ model }}
where
    {{ events }} < {{ people }}
    or {{ people }} < 0
    or ({{ people }} = 0) <> ({{ events }} = 0)
{% endtest %}
