with

declarations as (
    select
        *,
        row_number() over (partition by trim(declaration_id) order by _load_id desc, _row desc)
            as version_rank
    from {{ source('raw_consent_forms', 'declarations') }}
),

final as (
    select
        _load_id || ':' || _row as version_id,
        {{ cleaned_text('declaration_id') }} as declaration_id,
        {{ cleaned_text('customer_number') }} as customer_number,
        {{ cleaned_text('first_name') }} as first_name,
        {{ cleaned_text('last_name') }} as last_name,
        {{ cleaned_text('company_name') }} as company_name,
        {{ cleaned_text('channel') }} as channel,
        case
            when {{ cleaned_text('channel') }} = 'email'
                then lower({{ cleaned_text('contact_point') }})
            else {{ cleaned_text('contact_point') }}
        end as contact_point,
        {{ cleaned_text('purpose') }} as purpose,
        {{ cleaned_text('decision') }} as decision,
        {{ parse_timestamp('signed_at') }} as signed_at,
        coalesce(signed_at like '%:%', false) as has_signing_time,
        {{ cleaned_text('text_version') }} as text_version,
        {{ cleaned_text('collected_by') }} as collected_by,
        {{ cleaned_text('document_ref') }} as document_ref,
        {{ cleaned_text('controller') }} as controller,
        version_rank = 1 as is_current,
        _pulled_at as pulled_at,
        _load_id as load_id,
        _file as file_name,
        _row as file_row
    from declarations
)

select * from final
