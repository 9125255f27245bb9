{# The grand total of a figure over all periods is the number of rows of the table it counts. #}
{% test accounts_for_every_row(model, figure, of) %}
{%- if execute %}
{%- set publication = graph.nodes['model.deid.' ~ model.identifier].config.meta.publication %}
select 1 as failure
where
    (select count(*) from {{ of }}) <> (
        select coalesce(sum({{ figure }}), 0)
        from {{ model }}
        where
            true
            {%- for dimension, declared in publication.dimensions.items() if declared.total %}
            and {{ dimension }} = '{{ declared.total | replace("'", "''") }}'
            {%- endfor %}
    )
{%- endif %}
{% endtest %}
