{# Each member of the reference has its row, even one in which nobody was counted. A table without
   any period has none. #}
{% test shows_every_member(model, column_name, of, field, among='true') %}
select 1 as failure
from {{ of }}
where
    {{ among }}
    and {{ field }} not in (select {{ column_name }} from {{ model }})
    and exists (select 1 from {{ model }})
{% endtest %}
