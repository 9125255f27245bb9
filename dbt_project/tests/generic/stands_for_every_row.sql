{# A mart stands for each row of the table it is made of: `rows` says how many a mart's row stands for. #}
{% test stands_for_every_row(model, of, rows='count(*)') %}
select 1 as failure
where
    (select coalesce({{ rows }}, 0) from {{ model }})
    <> (select count(*) from {{ of }})
{% endtest %}
