with

identities as (
    select * from {{ ref('stg_matching__identities') }}
),

fields as (
    select * from {{ ref('int_customer_fields_chosen') }}
),

customers as (
    select
        customer_id,
        count(*) as record_count,
        count(distinct source) as source_count,
        max(case when record_kind = 'organisation' then 1 else 0 end) = 1 as is_organisation
    from identities
    group by customer_id
),

final as (
    select
        customers.customer_id,
        max(customers.record_count) as record_count,
        max(customers.source_count) as source_count,
        bool_or(customers.is_organisation) as is_organisation,
        {% for group, name in [
            ('customer_number', 'customer_number'), ('name', 'customer_name'), ('email', 'email'),
            ('phone', 'phone'), ('website', 'website'), ('vat_id', 'vat_id'), ('owner', 'owner'),
            ('acquisition', 'acquisition'), ('address', 'street'),
        ] %}
            max(case when fields.field_group = '{{ group }}' then fields.value end) as {{ name }},
        {% endfor %}
        {% for group in ['name', 'address', 'email', 'phone'] %}
            max(case when fields.field_group = '{{ group }}' then fields.source end)
                as {{ group }}_source,
            max(case when fields.field_group = '{{ group }}' then fields.updated_on end)
                as {{ group }}_updated_on,
        {% endfor %}
        max(case when fields.field_group = 'address' then fields.postcode end) as postcode,
        max(case when fields.field_group = 'address' then fields.city end) as city,
        max(case when fields.field_group = 'address' then fields.country end) as country
    from customers
    left join fields on customers.customer_id = fields.customer_id
    group by customers.customer_id
)

select * from final
