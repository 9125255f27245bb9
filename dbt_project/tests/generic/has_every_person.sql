{# One row per person of the table a mart is made of, and nobody else. #}
{% test has_every_person(model, of) %}
select 1 as failure
from (select person_key from {{ model }}) as held
full join (select distinct person_key from {{ of }}) as wanted
    on held.person_key = wanted.person_key
where held.person_key is null or wanted.person_key is null
{% endtest %}
